"""Enrolment on real sockets: a device as the firmware goes about it, and who would be another."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from keepline.gateway.enrolment.desk import Desk
from tests.conftest import RunningGateway
from tests.gateway.peers import Peer, dial, heard, request, talk, tcp
from tests.waiting import ANSWER_S, eventually

DEVICE = "02:ab:00:00:00:01"
CLIENT = "5b6fcb26-3f65-4f2b-8e0a-1d3b5c7e9f01"
OTHER_CLIENT = "5b6fcb26-3f65-4f2b-8e0a-1d3b5c7e9f02"
KEY = bytes(range(32))
SIGNED = {"mode": "signed", "token": None, "keys": ["one:a-secret-of-more-than-16-bytes"]}


class Board:
    """A board's main/application.cc and main/ota.cc, as far as they ask for the configuration."""

    def __init__(self, port: int, client: str = CLIENT, serial: str = "", key: bytes = KEY) -> None:
        self.url = f"http://127.0.0.1:{port}/xiaozhi/ota/"
        self.client = client
        self.serial = serial
        self.key = key
        self.answer: dict[str, Any] = {}

    async def check_version(self) -> int:
        """POST the description of the board; return the status, keep the answer."""
        body = {
            "version": 2,
            "mac_address": DEVICE,
            "uuid": self.client,
            "application": {"version": "2.0.3"},
            "board": {"type": "bread-compact-wifi", "name": "bread-compact"},
        }
        response = await self._post(self.url, body)
        if response.status_code == 200:
            self.answer = response.json()
        return response.status_code

    async def activate(self) -> int:
        """POST to …/activate, with the proof of its key if it has one; return the status."""
        payload: dict[str, str] = {}
        if self.serial:
            challenge = self.answer["activation"]["challenge"]
            payload = {
                "algorithm": "hmac-sha256",
                "serial_number": self.serial,
                "challenge": challenge,
                "hmac": hmac.digest(self.key, challenge.encode(), "sha256").hex(),
            }
        return (await self._post(f"{self.url}activate", payload)).status_code

    @property
    def code(self) -> str:
        return str(self.answer["activation"]["code"])

    @property
    def is_told(self) -> bool:
        """Whether the last answer lets it connect, as the firmware judges it."""
        return "activation" not in self.answer and "websocket" in self.answer

    @property
    def identity(self) -> dict[str, str]:
        token = self.answer["websocket"]["token"]
        return {
            "Authorization": f"Bearer {token}",
            "Protocol-Version": "1",
            "Device-Id": DEVICE,
            "Client-Id": self.client,
        }

    async def _post(self, url: str, body: dict[str, Any]) -> httpx.Response:
        headers = {
            "Activation-Version": "2" if self.serial else "1",
            "Device-Id": DEVICE,
            "Client-Id": self.client,
            "User-Agent": "bread-compact-wifi/2.0.3",
            "Accept-Language": "zh-CN",
        }
        if self.serial:
            headers["Serial-Number"] = self.serial
        async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_S) as client:
            return await client.post(url, json=body, headers=headers)


@pytest.fixture
async def gateway(start_gateway: Any) -> RunningGateway:
    started: RunningGateway = await start_gateway(auth=SIGNED, enrolment={"policy": "activation"})
    return started


async def refused(port: int, headers: dict[str, str]) -> int:
    """Return the status with which an upgrade is refused."""
    with pytest.raises(InvalidStatus) as refusal:
        async with dial(port, headers=headers):
            pass
    return refusal.value.response.status_code


def desk_of(gateway: RunningGateway) -> Desk:
    assert gateway.node.enrolment is not None
    return Desk(gateway.node.enrolment, gateway.node.clock, gateway.counters)


async def enrolled(gateway: RunningGateway, client: str = CLIENT) -> Board:
    board = Board(gateway.port, client)
    await board.check_version()
    await desk_of(gateway).approve(board.code, DEVICE)
    await board.check_version()
    assert board.is_told
    return board


async def test_a_board_goes_from_its_code_to_a_conversation(gateway: RunningGateway) -> None:
    board = Board(gateway.port)
    assert await board.check_version() == 200
    assert not board.is_told
    assert await board.activate() == 202
    await desk_of(gateway).approve(board.code, DEVICE)
    assert await board.activate() == 200
    assert await board.check_version() == 200  # its loop asks once more, and that is the handover
    assert board.is_told
    assert board.answer["websocket"]["url"] == gateway.url
    async with talk(gateway.port, headers=board.identity) as device:
        await device.send('{"type":"custom","payload":1}')
        assert (await heard(device))["payload"] == 1


async def test_a_board_with_a_known_key_needs_nobody(start_gateway: Any, tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(f'[[device]]\ndevice_id = "{DEVICE}"\nserial = "S1"\nkey = "{KEY.hex()}"\n')
    gateway = await start_gateway(
        auth=SIGNED, enrolment={"policy": "allow_list", "devices": str(path)}
    )
    impostor = Board(gateway.port, OTHER_CLIENT, "S1", bytes(32))
    await impostor.check_version()
    assert await impostor.activate() == 202
    board = Board(gateway.port, CLIENT, "S1")
    await board.check_version()
    assert await board.activate() == 200
    assert await board.check_version() == 200
    assert board.is_told
    async with talk(gateway.port, headers=board.identity):
        pass


async def test_posting_the_mac_of_an_enrolled_board_yields_no_token(
    gateway: RunningGateway,
) -> None:
    await enrolled(gateway)
    impostor = Board(gateway.port, OTHER_CLIENT)
    assert await impostor.check_version() == 200
    assert not impostor.is_told
    assert "websocket" not in impostor.answer
    assert await impostor.activate() == 202


async def test_a_token_of_one_board_is_none_of_another(gateway: RunningGateway) -> None:
    board = await enrolled(gateway)
    headers = board.identity | {"Device-Id": "02:ab:00:00:00:02"}
    assert await refused(gateway.port, headers=headers) == 401


async def test_a_revoked_board_is_closed_and_its_token_is_void(gateway: RunningGateway) -> None:
    board = await enrolled(gateway)
    async with talk(gateway.port, headers=board.identity) as device:
        await desk_of(gateway).revoke(DEVICE.upper())
        await device.wait_closed()
        assert device.close_code == 4004
    assert await refused(gateway.port, headers=board.identity) == 401
    assert await board.check_version() == 403


async def test_a_forgotten_board_that_is_approved_anew_comes_back_with_a_new_token_only(
    gateway: RunningGateway,
) -> None:
    board = await enrolled(gateway)
    former = board.identity
    await desk_of(gateway).forget(DEVICE)
    await board.check_version()
    await desk_of(gateway).approve(board.code, DEVICE)
    await board.check_version()
    assert await refused(gateway.port, headers=former) == 401
    async with talk(gateway.port, headers=board.identity):
        pass


async def test_a_board_whose_flash_was_erased_ends_the_session_of_the_one_it_was(
    gateway: RunningGateway,
) -> None:
    board = await enrolled(gateway)
    async with talk(gateway.port, headers=board.identity) as device:
        renewed = await enrolled(gateway, OTHER_CLIENT)
        await device.wait_closed()
        assert device.close_code == 4004
    async with talk(gateway.port, headers=renewed.identity):
        pass


async def test_approvals_outlive_the_gateway(start_gateway: Any, tmp_path: Path) -> None:
    sections = {"auth": SIGNED, "enrolment": {"policy": "activation"}}
    first = await start_gateway(**sections, data_dir=str(tmp_path))
    board = await enrolled(first)
    second = await start_gateway(**sections, data_dir=str(tmp_path))
    again = Board(second.port)
    await again.check_version()
    assert again.is_told
    async with talk(second.port, headers=board.identity):
        pass


# -- requests ------------------------------------------------------------------------------


async def asked(gateway: RunningGateway, data: bytes) -> tuple[int, str]:
    async with tcp(gateway.port) as peer:
        await peer.send(data)
        status, head = await peer.answer()
        await peer.end()
        return status, head


def post(body: bytes, **changes: str | None) -> bytes:
    plain: dict[str, str | None] = {
        "Upgrade": None,
        "Connection": None,
        "Sec_WebSocket_Key": None,
        "Sec_WebSocket_Version": None,
        "Content_Length": str(len(body)),
    }
    return request("/xiaozhi/ota/", "POST", **(plain | changes)) + body


async def test_get_is_405_and_says_what_is_allowed(gateway: RunningGateway) -> None:
    data = post(b"", Content_Length=None).replace(b"POST ", b"GET ", 1)
    status, head = await asked(gateway, data)
    assert status == 405
    assert "Allow: POST" in head.splitlines()


@pytest.mark.parametrize("path", ["/xiaozhi/ota", "/xiaozhi/ota/", "/xiaozhi/ota/?a=b"])
async def test_it_is_found_with_and_without_its_slash(gateway: RunningGateway, path: str) -> None:
    data = post(b"{}").replace(b"/xiaozhi/ota/", path.encode(), 1)
    assert (await asked(gateway, data))[0] == 200


async def test_a_body_may_be_16_kib_and_no_more(gateway: RunningGateway) -> None:
    def body(size: int) -> bytes:
        return json.dumps({"a": "b" * (size - len('{"a": ""}'))}).encode()

    assert len(body(16_384)) == 16_384
    assert (await asked(gateway, post(body(16_383))))[0] == 200
    assert (await asked(gateway, post(body(16_384))))[0] == 200
    assert (await asked(gateway, post(body(16_385))))[0] == 413


async def test_a_body_comes_with_its_length_or_not_at_all(gateway: RunningGateway) -> None:
    chunked = post(b"2\r\n{}\r\n0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked")
    assert (await asked(gateway, chunked))[0] == 400
    assert (await asked(gateway, post(b"{}", Content_Length=None)))[0] == 400


async def test_a_web_page_is_refused(gateway: RunningGateway) -> None:
    assert (await asked(gateway, post(b"{}", Origin="https://evil.example.com")))[0] == 403


async def test_a_name_that_was_made_to_lead_here_is_refused_where_enrolment_is_open(
    start_gateway: Any,
) -> None:
    gateway = await start_gateway()
    assert (await asked(gateway, post(b"{}", Host="evil.example.com")))[0] == 403
    assert (await asked(gateway, post(b"{}", Host=f"localhost:{gateway.port}")))[0] == 200


async def test_a_flood_is_told_when_to_come_back_and_counted(start_gateway: Any) -> None:
    gateway = await start_gateway(
        auth=SIGNED, enrolment={"policy": "activation", "address_burst": 5}
    )
    answers = [await asked(gateway, post(b"{}", Device_Id=f"d{each}")) for each in range(8)]
    statuses = [status for status, _ in answers]
    assert statuses[:5] == [200] * 5
    assert 429 in statuses
    assert "Retry-After: 1" in answers[statuses.index(429)][1].splitlines()


async def test_who_leaves_before_its_answer_leaves_nothing(gateway: RunningGateway) -> None:
    peer = await Peer.dial(gateway.port)
    await peer.send(post(b"{}"))
    peer.rst()
    await eventually(lambda: not gateway.node.arrivals.admissions and not gateway.node.wheel.armed)


async def test_a_fault_of_ours_is_500_and_logged(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ConnectionResetError("not the device's")

    assert gateway.node.enrolment is not None
    monkeypatch.setattr(gateway.node.enrolment, "_configure", broken)
    assert (await asked(gateway, post(b"{}")))[0] == 500
    assert gateway.logged("configuration_failed")
