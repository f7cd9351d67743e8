"""A client nobody here wrote, the PyPI package `xiaozhi-sdk`, lives a whole life with Keepline."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from typing import TYPE_CHECKING, Any

import pytest
from xiaozhi_sdk.core import XiaoZhiWebsocket  # type: ignore[import-untyped]

from keepline.handlers.echo import AUTO_TURN_FRAMES
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAC = "02:00:00:00:00:AA"
SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE * 60 // 1_000


class SdkDevice:
    """The client with what it heard: messages, and audio it could decode."""

    def __init__(self, port: int) -> None:
        self.messages: list[dict[str, Any]] = []
        self.client = XiaoZhiWebsocket(
            self._note,
            ota_url=f"http://127.0.0.1:{port}/xiaozhi/ota",
            audio_sample_rate=SAMPLE_RATE,
        )

    async def _note(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    async def says(self, message: dict[str, Any]) -> None:
        """Say what the client's own methods cannot."""
        await self.client.websocket.send(json.dumps(message))

    async def until_spoken_turns(self, count: int) -> None:
        """Wait for the end of the server's speaking, the first time being realtime's."""

        def stops() -> int:
            return sum(message["state"] == "stop" for message in self.of_type("tts"))

        await eventually(lambda: stops() == count)

    def samples_heard(self) -> list[int]:
        return [int(sample) for chunk in self.client.output_audio_queue for sample in chunk]


def tone(frames: int) -> list[bytes]:
    """A 440 Hz tone as 16-bit samples, `frames` pieces of 60 ms."""
    wave = [
        round(12_000 * math.sin(2 * math.pi * 440 * index / SAMPLE_RATE))
        for index in range(frames * SAMPLES_PER_FRAME)
    ]
    packed = struct.pack(f"<{len(wave)}h", *wave)
    size = 2 * SAMPLES_PER_FRAME
    return [packed[at : at + size] for at in range(0, len(packed), size)]


@pytest.fixture
async def device(gateway: Any) -> AsyncIterator[SdkDevice]:
    device = SdkDevice(gateway.port)
    assert await device.client.init_connection(MAC)
    yield device
    await device.client.close()


async def test_it_learns_url_and_token_and_is_let_in(device: SdkDevice, gateway: Any) -> None:
    assert device.client.websocket_token == gateway.token
    assert device.client.url == gateway.url
    assert device.client.session_id


async def test_it_streams_opus_and_hears_itself(device: SdkDevice) -> None:
    for frame in tone(frames=10):  # it listens in realtime
        await device.client.send_audio(frame)
        await asyncio.sleep(0.06)
    await eventually(lambda: len(device.samples_heard()) >= 10 * SAMPLES_PER_FRAME)
    heard = device.samples_heard()
    assert len(heard) == 10 * SAMPLES_PER_FRAME
    assert max(heard) > 6_000  # a tone, not silence


async def test_in_realtime_its_silence_is_a_symptom_also_while_it_is_spoken_to(
    device: SdkDevice, gateway: Any
) -> None:
    await eventually(
        lambda: bool(device.of_type("tts"))
    )  # the server speaks, the device still records
    session = gateway.node.registry.by_device(MAC.lower())
    assert session.connection.heartbeat.streaming


async def test_typed_text_comes_back_as_what_was_understood(device: SdkDevice) -> None:
    await device.client.send_text("你好")
    await eventually(lambda: bool(device.of_type("stt")))
    assert device.of_type("stt")[0]["text"] == "你好"


async def test_in_auto_a_turn_is_played_back_and_the_next_one_begins(device: SdkDevice) -> None:
    device.client.mode = "auto"
    await device.client._start_listen()  # what it does itself after each `tts stop`
    await device.until_spoken_turns(1)
    for frame in tone(frames=AUTO_TURN_FRAMES):
        await device.client.send_audio(frame)
    await device.until_spoken_turns(2)
    heard = device.samples_heard()
    assert len(heard) == AUTO_TURN_FRAMES * SAMPLES_PER_FRAME
    assert max(heard) > 6_000
    for frame in tone(frames=3):
        await device.client.send_audio(frame)
    await device.says({"type": "listen", "state": "stop"})
    await device.until_spoken_turns(3)


async def test_abort_stops_the_playback(device: SdkDevice) -> None:
    await device.says({"type": "listen", "state": "start", "mode": "manual"})
    await device.until_spoken_turns(1)
    for frame in tone(frames=100):
        await device.client.send_audio(frame)
    await device.says({"type": "listen", "state": "stop"})
    await eventually(lambda: device.of_type("tts")[-1]["state"] == "start")
    await device.client.send_abort()
    await device.until_spoken_turns(2)
    assert len(device.samples_heard()) < 50 * SAMPLES_PER_FRAME


async def test_a_custom_payload_comes_back(device: SdkDevice) -> None:
    await device.says({"type": "custom", "payload": {"colour": "青", "n": [1, None]}})
    await eventually(lambda: bool(device.of_type("custom")))
    assert device.of_type("custom")[0]["payload"] == {"colour": "青", "n": [1, None]}


async def test_a_stranger_is_refused_before_the_upgrade(gateway: Any) -> None:
    stranger = SdkDevice(gateway.port)
    stranger.client.url = gateway.url
    stranger.client.mac_addr, stranger.client.client_id = MAC.lower(), "a-client"
    assert not await stranger.client.connect_websocket("not-the-token")


async def test_its_going_is_noticed(device: SdkDevice, gateway: Any) -> None:
    await device.client.close()
    await eventually(lambda: bool(gateway.logged("device_disconnected")))
    assert gateway.logged("device_disconnected")[0]["cause"] == "device_said_close"
