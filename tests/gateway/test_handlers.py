"""The contract with the application's code: calls in order, failures that stay where they are."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import keepline
from keepline.gateway.handler import Handler
from keepline.gateway.session import Session
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.messages import Custom, DeviceMessage
from tests.conftest import DEVICE_ID, RunningGateway
from tests.gateway.peers import audio, heard, live, talk, text
from tests.unit.gateway.fakes import Recorder, Slow
from tests.waiting import eventually

Start = Callable[..., Any]
CUSTOM = '{"type":"custom","payload":%d}'
QUICK = {"closed_timeout_s": 0.3}


def session_of(gateway: RunningGateway, device_id: str = DEVICE_ID) -> Session:
    session = gateway.node.registry.by_device(device_id)
    assert session is not None
    return session


class Numbering(Recorder):
    """Takes a turn of the loop for each message, and would show it if calls overlapped."""

    async def text(self, session: Session, message: DeviceMessage) -> None:  # type: ignore[override]
        assert isinstance(message, Custom)
        self.calls.append(("begun", message.payload))
        await asyncio.sleep(0)
        self.calls.append(("done", message.payload))
        session.send(Custom(message.payload))


async def test_async_calls_are_made_one_at_a_time_and_leave_no_task(start_gateway: Start) -> None:
    handler = Numbering()
    gateway = await start_gateway(lambda: handler)
    async with live(gateway.port) as peer:
        await peer.send(b"".join(text(CUSTOM % number) for number in range(60)))
        for _ in range(60):
            await peer.frame()
        session = session_of(gateway)
        await eventually(lambda: session._worker is None)
        assert session._inbox is None
    expected = [(what, number) for number in range(60) for what in ("begun", "done")]
    assert handler.calls[1:121] == expected


async def test_surplus_audio_is_dropped_oldest_first_and_counted(start_gateway: Start) -> None:
    handler = Slow()
    gateway = await start_gateway(lambda: handler, inbox={"audio_frames": 10})
    async with live(gateway.port) as peer:
        await peer.send(text(CUSTOM % 0) + b"".join(audio(bytes((n,))) for n in range(40)))
        await eventually(lambda: gateway.counters.audio_in == 40)
        assert gateway.counters.inbox_audio_dropped == 30
        handler.go.set()
        await eventually(lambda: len(handler.calls) == 12)
        assert [what for name, what in handler.calls if name == "audio"] == [
            bytes((number,)) for number in range(30, 40)
        ]


async def test_surplus_control_ends_the_session(start_gateway: Start) -> None:
    gateway = await start_gateway(Slow, inbox={"control_messages": 10}, session=QUICK)
    async with live(gateway.port) as peer:
        await peer.send(b"".join(text(CUSTOM % n) for n in range(20)))
        assert await peer.close_code() == 1008
    await eventually(lambda: gateway.counters.disconnects[CloseReason.INBOX_OVERFLOW] == 1)


class Fragile(Handler):
    """Does what the device tells it to."""

    def text(self, session: Session, message: DeviceMessage) -> object:  # type: ignore[override]
        assert isinstance(message, Custom)
        if message.payload == "raise":
            raise RuntimeError("at once")
        if message.payload == "raise later":
            return self._raise()
        if message.payload == "cancelled":
            return self._be_cancelled()
        session.send(message)
        return None

    async def _raise(self) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("later")

    async def _be_cancelled(self) -> None:
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task


@pytest.mark.parametrize("how", ["raise", "raise later", "cancelled"])
async def test_a_failure_costs_its_own_session_and_nobody_else(
    start_gateway: Start, how: str
) -> None:
    gateway = await start_gateway(Fragile)
    async with talk(gateway.port, "healthy") as healthy, live(gateway.port, "failing") as failing:
        await failing.send(text(f'{{"type":"custom","payload":"{how}"}}'))
        assert await failing.close_code() == 1011
        await healthy.send(CUSTOM % 7)
        assert (await heard(healthy))["payload"] == 7
    assert gateway.counters.handler_failures == 1
    (line,) = gateway.logged("handler_failed")
    assert line["device_id"] == "failing"
    await eventually(lambda: not gateway.node.registry)
    assert gateway.counters.disconnects[CloseReason.HANDLER_FAILED] == 1


@pytest.mark.parametrize("name", ["opened", "audio", "idle", "woken", "draining", "closed"])
async def test_a_failure_in_any_call_leaves_nothing_behind(start_gateway: Start, name: str) -> None:
    def fail(self: Handler, *arguments: object) -> None:
        raise RuntimeError(name)

    failing = type("Failing", (Recorder,), {name: fail})
    gateway = await start_gateway(failing, session=QUICK | {"idle_after_s": 0.1})
    async with live(gateway.port) as peer:
        await peer.send(audio(b"x"))
        if name in ("idle", "woken"):
            lifecycle = session_of(gateway).connection.lifecycle
            await eventually(lambda: lifecycle.state is not State.ACTIVE)
            await peer.send(audio(b"x"))
        if name == "draining":
            session_of(gateway).tell_draining()
        peer.fin()
        await peer.end()
    await eventually(lambda: not gateway.node.registry)
    assert gateway.counters.handler_failures == 1
    assert gateway.node.wheel.armed == 0
    assert gateway.counters.cleanup_failures == 0


async def test_a_closed_that_hangs_is_cut_at_its_bound(start_gateway: Start) -> None:
    class Hanging(Recorder):
        async def closed(self, session: Session, reason: CloseReason) -> None:  # type: ignore[override]
            await asyncio.Event().wait()

    gateway = await start_gateway(Hanging, session=QUICK)
    async with live(gateway.port) as peer:
        peer.fin()
        await eventually(lambda: not gateway.node.registry, within_s=1.0)
    assert len(gateway.logged("handler_too_slow_to_end")) == 1


async def test_spawned_work_ends_with_its_session(start_gateway: Start) -> None:
    ended: list[str] = []

    class Spawning(Handler):
        def opened(self, session: Session) -> None:
            session.spawn(self._work(session))

        async def _work(self, session: Session) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                session.send_text("my last words")  # nobody reads them, and nothing breaks
                ended.append(session.device_id)

    gateway = await start_gateway(Spawning)
    async with live(gateway.port, "one"):
        pass
    await eventually(lambda: ended == ["one"])
    assert gateway.counters.handler_failures == 0


async def test_a_handler_may_close_its_session_in_any_call(start_gateway: Start) -> None:
    class Curt(Handler):
        def opened(self, session: Session) -> None:
            session.close()
            session.send_text("after my own close")

    gateway = await start_gateway(Curt, session=QUICK)
    async with live(gateway.port) as peer:
        assert await peer.close_code() == 1000
        await peer.end(within_s=1.5)
    await eventually(lambda: gateway.counters.disconnects[CloseReason.HANDLER_CLOSED] == 1)


async def test_a_frame_reaches_its_handler_in_five_hops_and_four_files(
    start_gateway: Start,
) -> None:
    stacks: list[traceback.StackSummary] = []

    class Looking(Handler):
        def audio(self, session: Session, frame: bytes) -> None:
            stacks.append(traceback.extract_stack())

    gateway = await start_gateway(Looking)
    async with live(gateway.port) as peer:
        await peer.send(audio(b"x"))
        await eventually(lambda: stacks)
    room = str(Path(keepline.__file__).parent)
    ours = [frame for frame in stacks[0] if frame.filename.startswith(room)]
    assert len(ours) <= 5  # the fifth hands it to the handler
    assert len({frame.filename for frame in ours} | {__file__}) <= 4
