"""`xiaozhi-sdk` is enrolled: from its first question over an operator's approval to speech."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import pytest

from keepline.gateway.enrolment.desk import Desk
from tests.conftest import RunningGateway
from tests.device.test_xiaozhi_sdk import MAC, SAMPLES_PER_FRAME, SdkDevice, tone
from tests.waiting import eventually

SIGNED = {"mode": "signed", "token": None, "keys": ["one:a-secret-of-more-than-16-bytes"]}
DEVICE = MAC.lower()
LICENCE = "a-licence-key-of-32-characters--"


@pytest.fixture
async def gateway(start_gateway: Any, tmp_path: Any) -> RunningGateway:
    path = tmp_path / "devices.toml"
    path.write_text(
        f'[[device]]\ndevice_id = "{DEVICE}"\nserial = "S1"\nkey = "{LICENCE.encode().hex()}"\n'
    )
    started: RunningGateway = await start_gateway(
        auth=SIGNED, enrolment={"policy": "activation", "devices": str(path)}
    )
    return started


def desk_of(gateway: RunningGateway) -> Desk:
    assert gateway.node.enrolment is not None
    return Desk(gateway.node.enrolment, gateway.node.clock, gateway.counters)


async def asks_in_vain(gateway: RunningGateway, **options: str) -> SdkDevice:
    """Ask for the configuration; the client cannot do without a token, where a board waits."""
    device = SdkDevice(gateway.port)
    with pytest.raises(KeyError, match="websocket"):
        await device.client.init_connection(MAC, **options)
    return device


async def speaks(device: SdkDevice) -> None:
    """Stream ten frames of a tone and hear them back."""
    for frame in tone(frames=10):
        await device.client.send_audio(frame)
        await asyncio.sleep(0.06)
    await eventually(lambda: len(device.samples_heard()) >= 10 * SAMPLES_PER_FRAME)
    assert max(device.samples_heard()) > 6_000
    await device.client.close()


async def test_it_is_approved_by_its_code_and_speaks(gateway: RunningGateway) -> None:
    await asks_in_vain(gateway)
    desk = desk_of(gateway)
    [waiter] = desk.waiting()
    assert waiter.device_id == DEVICE
    assert waiter.client_guessable  # it makes its client id of its MAC
    await desk.approve(waiter.code, DEVICE)
    device = SdkDevice(gateway.port)
    assert await device.client.init_connection(MAC)
    assert device.client.websocket_token.startswith("kl1.one.")
    assert device.client.url == gateway.url
    await speaks(device)


async def test_it_proves_its_licence_key_and_speaks(gateway: RunningGateway) -> None:
    device = await asks_in_vain(gateway, serial_number="S1")
    [waiter] = desk_of(gateway).waiting()
    [pending] = gateway.node.enrolment.waiting.all(0)  # type: ignore[union-attr]
    assert not await device.client.ota.check_activate(pending.challenge, "another key")
    assert await device.client.ota.check_activate(pending.challenge, LICENCE)
    assert waiter.serial == "S1"
    device = SdkDevice(gateway.port)
    assert await device.client.init_connection(MAC, serial_number="S1")
    await speaks(device)


async def test_another_client_with_its_mac_is_not_let_in(gateway: RunningGateway) -> None:
    await asks_in_vain(gateway)
    desk = desk_of(gateway)
    [waiter] = desk.waiting()
    await desk.approve(waiter.code, DEVICE)
    other = SdkDevice(gateway.port)
    other.client.url = gateway.url
    other.client.mac_addr = DEVICE
    other.client.client_id = str(uuid5(NAMESPACE_DNS, "somebody else"))
    assert not await other.client.connect_websocket("none")
