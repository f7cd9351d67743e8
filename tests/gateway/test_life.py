"""A device lives: hello, messages, audio, pings; goes idle, wakes, and leaves in its own way."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from keepline.gateway.session import Session
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.messages import Unknown
from tests.conftest import DEVICE_ID, RunningGateway
from tests.gateway.peers import (
    HELLO,
    KEY,
    Peer,
    audio,
    close,
    dial,
    heard,
    heard_audio,
    live,
    ping,
    talk,
    text,
)
from tests.unit.gateway.fakes import Recorder
from tests.waiting import PATIENCE_S, eventually, within

Start = Callable[..., Any]
QUICK = {"idle_after_s": 0.3}
CURT = {"xiaozhi": {"close_timeout_s": 0.3}}


def session_of(gateway: RunningGateway, device_id: str = DEVICE_ID) -> Session:
    session = gateway.node.registry.by_device(device_id)
    assert session is not None
    return session


def ended(gateway: RunningGateway, reason: CloseReason) -> Callable[[], bool]:
    return lambda: gateway.counters.disconnects[reason] == 1


# -- messages ------------------------------------------------------------------------------


async def test_hello_goes_both_ways(gateway: RunningGateway) -> None:
    async with dial(gateway.port) as device:
        await device.send(HELLO)
        answer = await heard(device)
    assert answer["type"] == "hello"
    assert answer["transport"] == "websocket"  # without it the firmware crashes
    assert answer["session_id"]
    assert answer["audio_params"] == {
        "format": "opus",
        "sample_rate": 24_000,
        "channels": 1,
        "frame_duration": 60,
    }


async def test_a_detected_text_is_answered_and_a_custom_payload_comes_back(
    gateway: RunningGateway,
) -> None:
    async with talk(gateway.port) as device:
        await device.send('{"type":"listen","state":"detect","text":"你好"}')
        assert await heard(device) == {"type": "stt", "text": "你好"}
        await device.send('{"type":"custom","payload":{"deep":[1,null]}}')
        assert await heard(device) == {"type": "custom", "payload": {"deep": [1, None]}}


async def test_realtime_audio_comes_back_at_once_and_in_order(gateway: RunningGateway) -> None:
    async with talk(gateway.port) as device:
        await device.send('{"type":"listen","state":"start","mode":"realtime"}')
        assert await heard(device) == {"type": "tts", "state": "start"}
        frames = [bytes((number,)) * 120 for number in range(50)]
        for frame in frames:
            await device.send(frame)
        assert [await heard_audio(device) for _ in frames] == frames


async def test_a_manual_turn_is_played_back_between_start_and_stop(
    gateway: RunningGateway,
) -> None:
    async with dial(gateway.port) as device:
        await device.send('{"type":"hello","audio_params":{"frame_duration":20}}')
        await heard(device)
        await device.send('{"type":"listen","state":"start","mode":"manual"}')
        for frame in (b"one", b"two"):
            await device.send(frame)
        await device.send('{"type":"listen","state":"stop"}')
        assert await heard(device) == {"type": "tts", "state": "start"}
        assert [await heard_audio(device) for _ in range(2)] == [b"one", b"two"]
        assert await heard(device) == {"type": "tts", "state": "stop"}


async def test_an_unknown_type_reaches_the_handler_untouched(start_gateway: Start) -> None:
    handler = Recorder()
    gateway = await start_gateway(lambda: handler)
    words = '{"type" : "weather", "states":[1.50,  {}]}'
    async with talk(gateway.port) as device:
        await device.send(words)
        await eventually(lambda: len(handler.calls) == 2)
    assert handler.calls[1] == ("text", Unknown(type="weather", text=words))


async def test_what_cannot_be_read_is_counted_and_the_device_lives_on(
    gateway: RunningGateway,
) -> None:
    async with talk(gateway.port) as device:
        for nonsense in ("", "{", "[]", "null", '{"type":"listen","state":"dancing"}'):
            await device.send(nonsense)
        await device.send('{"type":"custom","payload":"alive"}')
        assert (await heard(device))["payload"] == "alive"
    assert gateway.counters.malformed_messages == 5


async def test_a_message_in_fragments_and_single_bytes_is_one_message(
    gateway: RunningGateway,
) -> None:
    async with talk(gateway.port) as device:
        await device.send(['{"type":"custom",', '"payload":"', "joined", '"}'])
        assert (await heard(device))["payload"] == "joined"
    async with live(gateway.port) as peer:
        for byte in text('{"type":"custom","payload":"bytewise"}'):
            await peer.send(bytes((byte,)))
        assert json.loads((await peer.frame())[1])["payload"] == "bytewise"


# -- idle and awake ------------------------------------------------------------------------


async def test_a_quiet_device_goes_idle_and_wakes_in_less_than_a_millisecond(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(session=QUICK)
    async with live(gateway.port) as peer:
        connection = session_of(gateway).connection
        words = text('{"type":"custom","payload":0}')
        took_s = []
        for _ in range(5):
            await eventually(lambda: connection.lifecycle.state is State.IDLE, within_s=1.0)
            started = time.thread_time()
            connection.data_received(words)
            took_s.append(time.thread_time() - started)
            assert connection.lifecycle.state is State.ACTIVE
            await peer.frame()
    assert median(took_s) < 0.001


async def test_pings_alone_do_not_keep_a_device_from_going_idle(start_gateway: Start) -> None:
    gateway = await start_gateway(session=QUICK)
    async with talk(gateway.port) as device:
        connection = session_of(gateway).connection
        while connection.lifecycle.state is State.ACTIVE:
            await asyncio.wait_for(await device.ping(), PATIENCE_S)
            await asyncio.sleep(0.05)
        assert connection.lifecycle.state is State.IDLE
        await device.send('{"type":"custom","payload":0}')
        await heard(device)


# -- pings ---------------------------------------------------------------------------------


async def test_pings_of_the_device_are_answered_and_counted(gateway: RunningGateway) -> None:
    async with talk(gateway.port) as device:
        for _ in range(5):
            await asyncio.wait_for(await device.ping(), PATIENCE_S)
    assert gateway.counters.pings_received == 5


async def test_a_ping_flood_is_closed_with_1008_and_costs_nobody_else(
    gateway: RunningGateway,
) -> None:
    async with talk(gateway.port, "good") as good, live(gateway.port, "bad") as bad:
        await bad.send(ping(b"x") * 2_000)
        assert await bad.close_code() == 1008
        await good.send('{"type":"custom","payload":"fine"}')
        assert (await heard(good))["payload"] == "fine"
    await eventually(ended(gateway, CloseReason.FLOODING))


async def test_our_ping_has_an_id_and_its_round_trip_is_recorded(start_gateway: Start) -> None:
    gateway = await start_gateway(heartbeat={"interval_s": 1})
    counters, began = gateway.counters, time.monotonic()
    async with talk(gateway.port):  # `websockets` answers pings by itself
        heartbeat = session_of(gateway).connection.heartbeat
        await eventually(lambda: heartbeat.pongs >= 2 and counters.pings_sent == heartbeat.pongs)
        assert heartbeat.average_rtt_s is not None
        assert 0 < heartbeat.average_rtt_s < (time.monotonic() - began) / 2
        assert counters.pongs_received == sum(counters.rtt.counts) == heartbeat.pongs


# -- leaving -------------------------------------------------------------------------------


async def test_a_fin_without_close_is_the_normal_end(gateway: RunningGateway) -> None:
    async with live(gateway.port) as peer:
        peer.fin()
        assert await peer.end() == "fin"
    await eventually(ended(gateway, CloseReason.DEVICE_CLOSED))
    (line,) = gateway.logged("device_disconnected")
    assert (line["level"], line["initiator"]) == ("info", "device")


async def test_a_reset_is_told_apart(gateway: RunningGateway) -> None:
    peer = await Peer.live(gateway.port)
    peer.rst()
    await eventually(ended(gateway, CloseReason.DEVICE_RESET))


@pytest.mark.parametrize(
    ("payload", "code"), [(b"\x03\xe8bye", 1000), (b"\x0f\xa1", 4001), (b"", None)]
)
async def test_a_close_is_answered_with_its_code_and_tcp_ended_by_us(
    gateway: RunningGateway, payload: bytes, code: int | None
) -> None:
    async with live(gateway.port) as peer:
        await peer.send(close(payload))
        assert await peer.close_code() == code
        assert await peer.end(within_s=0.5) == "fin"
    await eventually(ended(gateway, CloseReason.DEVICE_SAID_CLOSE))


async def test_a_closing_handshake_with_an_independent_client_is_clean(
    gateway: RunningGateway,
) -> None:
    async with talk(gateway.port) as device:
        await device.close(1000, "done")
        assert device.close_code == 1000
    await eventually(ended(gateway, CloseReason.DEVICE_SAID_CLOSE))


async def test_we_close_with_code_and_reason_and_the_client_agrees(
    gateway: RunningGateway,
) -> None:
    async with talk(gateway.port) as device:
        session_of(gateway).close(CloseReason.KICKED)
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(device.recv(), PATIENCE_S)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4002, "kicked")
    await eventually(ended(gateway, CloseReason.KICKED))


async def test_a_device_that_ignores_our_close_loses_tcp_at_the_bound(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(profiles=CURT)
    async with live(gateway.port) as peer:
        loop = asyncio.get_running_loop()
        started = loop.time()
        session_of(gateway).close()
        async with within(0.9):
            assert await peer.close_code() == 1000
            await peer.end()
        assert loop.time() - started > 0.2
    await eventually(ended(gateway, CloseReason.HANDLER_CLOSED))


async def test_a_device_that_talks_on_after_our_close_loses_tcp_all_the_same(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(profiles=CURT)
    async with live(gateway.port) as peer:
        session_of(gateway).close()
        ending = asyncio.ensure_future(peer.end(within_s=2.0))
        while not ending.done():
            try:
                await peer.send(text('{"type":"listen","state":"start"}') + audio(b"x") + ping())
            except ConnectionError:
                break
            await asyncio.sleep(0.05)
        await ending
    await eventually(ended(gateway, CloseReason.HANDLER_CLOSED))


async def test_what_was_sent_before_the_fin_still_reaches_the_handler_in_order(
    start_gateway: Start,
) -> None:
    class Slow(Recorder):
        async def audio(self, session: Session, frame: bytes) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            super().audio(session, frame)

    handler = Slow()
    gateway = await start_gateway(lambda: handler, inbox={"audio_frames": 1_000})
    frames = [number.to_bytes(2, "big") for number in range(300)]  # more than one turn's worth
    async with live(gateway.port) as peer:
        await peer.send(b"".join(audio(frame) for frame in frames))
        peer.fin()
        await eventually(lambda: not gateway.node.registry)
    assert [what for name, what in handler.calls if name == "audio"] == frames
    assert handler.calls[-1] == ("closed", CloseReason.DEVICE_CLOSED)


# -- rude peers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"\x81\x02hi", 1002, CloseReason.PROTOCOL_ERROR),  # not masked
        (b"\xf1" + audio(b"x")[1:], 1002, CloseReason.PROTOCOL_ERROR),  # reserved bits
        (b"\x82\xff" + bytes((0x7F,)) + bytes(7), 1009, CloseReason.MESSAGE_TOO_BIG),
        (encode_masked(Opcode.TEXT, b"\xff", KEY), 1007, CloseReason.INVALID_DATA),
    ],
)
async def test_broken_rules_are_named_to_the_peer_even_with_more_on_its_way(
    gateway: RunningGateway, data: bytes, code: int, reason: CloseReason
) -> None:
    async with live(gateway.port) as peer:
        await peer.send(data + bytes(50_000))
        assert await peer.close_code() == code
        await peer.end(within_s=2.0)
    await eventually(ended(gateway, reason))


async def test_pongs_nobody_asked_for_are_life_and_no_round_trip(gateway: RunningGateway) -> None:
    async with talk(gateway.port) as device:
        await device.pong(b"unasked")
        await device.send('{"type":"custom","payload":0}')
        await heard(device)
    assert gateway.counters.pongs_received == 1
    assert sum(gateway.counters.rtt.counts) == 0


async def test_the_pong_carries_what_the_ping_did(gateway: RunningGateway) -> None:
    async with live(gateway.port) as peer:
        await peer.send(ping(b"p" * 125))
        assert await peer.frame() == (Opcode.PONG, b"p" * 125)
