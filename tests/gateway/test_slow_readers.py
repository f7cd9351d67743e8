"""A device that does not read costs a bounded amount of memory, and its session in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

from keepline.gateway.session import Session
from keepline.reasons import CloseReason
from tests.conftest import DEVICE_ID, RunningGateway
from tests.gateway.peers import audio, heard, live, ping, talk
from tests.waiting import eventually

Start = Callable[..., Any]
QUICK = {"xiaozhi": {"close_timeout_s": 0.3}}
UNPACED = {"packets_ahead": 1_000_000}  # more than the device's socket takes
SMALL = 4_096  # the kernel's receive buffer of a device that reads slowly
FRAME = bytes(4_000)
STUCK_S = 3.0


def session_of(gateway: RunningGateway, device_id: str = DEVICE_ID) -> Session:
    session = gateway.node.registry.by_device(device_id)
    assert session is not None
    return session


async def fill(session: Session) -> None:
    """Send until the device's socket takes nothing more, neither here nor in the kernel."""
    for _ in range(3_000):
        session.send_audio(FRAME)
        if session.connection.outbox is not None and not session._node.loop.is_closed():
            await asyncio.sleep(0.001)
            if session.connection.outbox is not None:
                return
    raise AssertionError("it takes whatever comes")


async def test_audio_for_a_device_that_does_not_read_is_dropped_and_counted(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(outbox={"audio_frames": 8}, session=UNPACED)
    async with live(gateway.port, receive_buffer_bytes=SMALL):
        session = session_of(gateway)
        await fill(session)
        waiting = session.connection.transport.get_write_buffer_size()
        for _ in range(100):
            session.send_audio(FRAME)
        assert gateway.counters.outbox_audio_dropped >= 92
        assert session.connection.transport.get_write_buffer_size() == waiting
        assert session.connection.lifecycle.reason is None


async def test_control_for_a_device_that_does_not_read_ends_its_session(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(outbox={"control_messages": 8}, profiles=QUICK, session=UNPACED)
    async with live(gateway.port, receive_buffer_bytes=SMALL):
        session = session_of(gateway)
        await fill(session)
        for _ in range(9):
            session.send_text("important")
        await eventually(
            lambda: gateway.counters.disconnects[CloseReason.OUTBOX_OVERFLOW] == 1, within_s=2.0
        )


async def test_a_reader_that_is_stuck_is_closed_and_what_it_never_read_is_let_go(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(
        outbox={"stuck_after_s": 1},
        heartbeat={"interval_s": 1},
        profiles=QUICK,
        session=UNPACED,
    )
    async with (
        talk(gateway.port, "other") as other,
        live(gateway.port, "stuck", receive_buffer_bytes=SMALL) as stuck,
    ):
        await fill(session_of(gateway, "stuck"))
        await eventually(
            lambda: gateway.counters.disconnects[CloseReason.SLOW_READER] == 1, within_s=4.0
        )
        assert gateway.counters.verdicts == 0
        assert await stuck.end() == "rst"
        await other.send('{"type":"custom","payload":1}')
        assert (await heard(other))["payload"] == 1


async def test_a_slow_device_that_reads_on_survives_and_gets_everything_in_order(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(
        outbox={"stuck_after_s": STUCK_S, "audio_frames": 1_000, "bytes": 10_000_000},
        heartbeat={"interval_s": 1},
        session=UNPACED,
    )
    async with live(gateway.port, receive_buffer_bytes=SMALL) as peer:
        session = session_of(gateway)
        await fill(session)
        for number in range(50):
            session.send_audio(number.to_bytes(2, "big") + FRAME)
        seen = 0
        while seen < 50:
            await asyncio.sleep(0.002)
            _, payload = await peer.frame()
            if len(payload) > len(FRAME):
                assert int.from_bytes(payload[:2], "big") == seen
                seen += 1
        assert gateway.counters.outbox_audio_dropped == 0
        assert session.connection.outbox is None
        assert session.connection.lifecycle.reason is None


async def test_pings_of_a_device_that_does_not_read_queue_no_pongs(start_gateway: Start) -> None:
    unbounded = {"control_frames_per_s": 100_000, "messages_per_s": 100_000}
    gateway = await start_gateway(wire=unbounded, session=UNPACED)
    async with live(gateway.port, receive_buffer_bytes=SMALL) as peer:
        session = session_of(gateway)
        await fill(session)
        waiting = session.connection.transport.get_write_buffer_size()
        sending = asyncio.ensure_future(peer.send(ping(bytes(125)) * 50_000))
        await asyncio.sleep(0.2)
        assert session.connection.transport.get_write_buffer_size() == waiting
        assert gateway.counters.pings_received < 2_500  # one read's worth at most
        sending.cancel()


async def test_a_burst_of_tiny_frames_lets_others_have_their_turn(start_gateway: Start) -> None:
    gateway = await start_gateway(wire={"full_turns_per_s": 100_000, "messages_per_s": 100_000})
    burst = audio(b"x") * 40_000
    async with live(gateway.port, "greedy") as greedy, talk(gateway.port, "patient") as patient:
        sending = asyncio.ensure_future(greedy.send(burst))
        await eventually(lambda: gateway.counters.audio_in > 0)
        handled = [gateway.counters.audio_in]
        while gateway.counters.audio_in < 40_000:
            await patient.send('{"type":"custom","payload":1}')
            await heard(patient)
            handled.append(gateway.counters.audio_in)
        await sending
    assert len(handled) > 4
    # Of the burst as much as two reads bring, at most, while one question is answered.
    assert median(after - before for before, after in pairwise(handled)) < 10_000
