from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from keepline.reasons import CloseReason
from keepline.wire.messages import Abort
from tests.unit.gateway.fakes import Recorder, Slow, World, settle
from tests.unit.gateway.virtual_time import LoopClock, virtual

if TYPE_CHECKING:
    from keepline.gateway.session import Session

LIMIT_BYTES = 8
BOUNDS = {"snapshot_bytes": LIMIT_BYTES, "snapshot_timeout_s": 0.02}
ABORT = '{"type":"abort"}'


class Keeping(Recorder):
    """Leaves its last text behind, and is told what the former one left."""

    state: object = b"state"

    def snapshot(self) -> bytes | None:
        self.calls.append(("snapshot", None))
        return self.state  # type: ignore[return-value]

    def restore(self, state: bytes) -> None:
        self.calls.append(("restore", state))

    def resumed(self, session: Session) -> None:
        self.calls.append(("resumed", session.session_id))


class KeepingLater(Keeping):
    """The same with coroutines, that wait for `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def snapshot(self) -> bytes | None:  # type: ignore[override]
        await self.go.wait()
        return super().snapshot()

    async def restore(self, state: bytes) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().restore(state)

    async def resumed(self, session: Session) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().resumed(session)


def returning(state: object, base: type[Keeping] = Keeping) -> type[Keeping]:
    return type("Returning", (base,), {"state": state})


async def test_a_state_is_handed_to_the_session_that_takes_over() -> None:
    world = World(Keeping)
    older, newer = world.connect(), world.connect()
    assert older.handler.names == ["opened", "snapshot"]
    assert newer.handler.calls == [("restore", b"state"), ("resumed", "session-2")]
    assert newer.session._worker is None
    older.loses_tcp()
    assert older.handler.calls[-1] == ("closed", CloseReason.REPLACED)


async def test_without_a_state_a_takeover_is_an_opening() -> None:
    for handler in (Recorder, returning(None)):
        world = World(handler)
        world.connect()
        assert world.connect().handler.names == ["opened"]


async def test_another_device_gets_nobody_else_s_state() -> None:
    world = World(Keeping)
    world.connect("one")
    assert world.connect("other").handler.names == ["opened"]


async def test_the_hello_is_answered_before_the_older_handler_is_asked() -> None:
    written: list[int] = []

    class Looking(Keeping):
        def snapshot(self) -> bytes | None:
            newest = world.node.registry.by_device("device-1")
            assert newest is not None
            written.append(len(newest.connection.transport.written))  # type: ignore[attr-defined]
            return None

    world = World(Looking)
    world.connect()
    world.connect()
    assert written == [1]


async def test_what_a_device_says_meanwhile_waits_until_it_is_resumed() -> None:
    world = World(KeepingLater)
    older, newer = world.connect(), world.connect()
    newer.says(ABORT)
    newer.streams(b"opus")
    await settle()
    assert newer.handler.names == []
    older.handler.go.set()  # type: ignore[attr-defined]
    for _ in range(3):
        await settle()
    assert newer.handler.names == ["restore", "resumed", "text", "audio"]
    assert newer.session._worker is None


@pytest.mark.parametrize("messages", [3, 4, 5])
async def test_a_full_inbox_keeps_no_session_from_leaving_what_it_knows(messages: int) -> None:
    class Hearing(Slow, Keeping):
        def snapshot(self) -> bytes | None:
            return b"%d" % self.names.count("text")

    world = World(Hearing, inbox={"control_messages": 3})
    life = world.connect()
    for _ in range(messages):  # one is under way, three wait; one more ends the session
        life.says(ABORT)
    newer = world.connect()
    life.loses_tcp()
    await settle()
    assert newer.handler.names == []
    life.handler.go.set()  # type: ignore[attr-defined]
    await settle()
    assert newer.handler.calls[0] == ("restore", b"%d" % min(messages, 4))


async def test_a_snapshot_comes_in_turn_after_the_calls_that_wait() -> None:
    class SlowKeeping(Slow, Keeping):
        pass

    world = World(SlowKeeping)
    older = world.connect()
    older.says(ABORT)
    older.streams(b"opus")
    newer = world.connect()
    await settle()
    assert older.handler.names == ["opened", "text"]
    older.handler.go.set()  # type: ignore[attr-defined]
    await settle()
    assert older.handler.names == ["opened", "text", "audio", "snapshot"]
    assert newer.handler.names == ["restore", "resumed"]


async def test_a_snapshot_that_takes_too_long_is_given_up_and_the_session_opens() -> None:
    world = World(KeepingLater, session=BOUNDS)
    older, newer = world.connect(), world.connect()
    assert newer.session._worker is not None
    await newer.session._worker
    assert newer.handler.names == ["opened"]
    (line,) = world.logged("snapshot_too_late")
    assert line["after_s"] == BOUNDS["snapshot_timeout_s"]
    older.handler.go.set()  # type: ignore[attr-defined]
    await settle()
    assert world.counters.handler_failures == 0


@pytest.mark.parametrize(
    ("size_bytes", "calls"),
    [
        (LIMIT_BYTES - 1, ["restore", "resumed"]),
        (LIMIT_BYTES, ["restore", "resumed"]),
        (LIMIT_BYTES + 1, ["opened"]),
    ],
)
async def test_a_state_is_bounded_in_bytes(size_bytes: int, calls: list[str]) -> None:
    world = World(returning(bytes(size_bytes)), session=BOUNDS)
    world.connect()
    assert world.connect().handler.names == calls
    assert len(world.logged("snapshot_too_large")) == (calls == ["opened"])


@pytest.mark.parametrize("base", [Keeping, KeepingLater])
async def test_what_is_no_bytes_is_the_older_handler_s_failure(base: type[Keeping]) -> None:
    world = World(returning("text", base))
    older, newer = world.connect(), world.connect()
    getattr(older.handler, "go", asyncio.Event()).set()
    await settle()
    await settle()
    assert newer.handler.names == ["opened"]
    assert newer.connection.lifecycle.reason is None
    (line,) = world.logged("handler_failed")
    assert "snapshot returned str" in line["error"]


async def test_a_snapshot_that_raises_costs_the_newer_session_nothing() -> None:
    class Failing(Keeping):
        def snapshot(self) -> bytes | None:
            raise RuntimeError("no")

    world = World(Failing)
    world.connect()
    newer = world.connect()
    assert newer.handler.names == ["opened"]
    assert newer.connection.lifecycle.reason is None
    assert world.counters.handler_failures == 1


async def test_a_handler_that_failed_is_not_asked() -> None:
    world = World(Keeping)
    older = world.connect()
    older.session.close(CloseReason.HANDLER_FAILED)
    assert world.connect().handler.names == ["opened"]
    assert older.handler.names == ["opened"]


async def test_a_handler_that_is_told_closed_has_left_what_the_next_one_gets() -> None:
    class Lingering(Keeping):
        async def closed(self, session: Session, reason: CloseReason) -> None:  # type: ignore[override]
            await asyncio.Event().wait()

    world = World(Lingering, session={"closed_timeout_s": 0.02})
    older = world.connect()
    older.loses_tcp()
    assert world.connect().handler.names == ["restore", "resumed"]
    assert older.handler.names == ["opened", "snapshot"]
    await asyncio.gather(*world.node.cleanups)


async def test_a_restore_that_fails_ends_the_session_without_resumed() -> None:
    class Failing(Keeping):
        def restore(self, state: bytes) -> None:
            raise ValueError("an older version's state")

    world = World(Failing)
    world.connect()
    newer = world.connect()
    assert newer.connection.lifecycle.reason is CloseReason.HANDLER_FAILED
    assert newer.handler.names == []


async def test_a_third_session_gets_what_the_second_was_given() -> None:
    class Counting(KeepingLater):
        def restore(self, state: bytes) -> None:  # type: ignore[override]
            self.state = state + b"+"

    world = World(Counting)
    lives = [world.connect() for _ in range(3)]
    for life in lives:
        life.handler.go.set()  # type: ignore[attr-defined]
    for _ in range(5):
        await settle()
    assert lives[2].handler.state == b"state++"  # type: ignore[attr-defined]
    assert world.counters.takeovers == 2


@virtual
async def test_a_device_that_leaves_while_it_waits_is_told_opened_and_closed() -> None:
    world = World(KeepingLater, clock=LoopClock(), session=BOUNDS)
    world.connect()
    newer = world.connect()
    newer.says(ABORT)
    newer.loses_tcp()
    await asyncio.gather(*world.node.cleanups)
    assert newer.handler.calls == [
        ("opened", None),
        ("text", Abort()),
        ("closed", CloseReason.DEVICE_CLOSED),
    ]


async def test_a_session_that_ends_while_it_waits_is_resumed_before_it_hears_anything() -> None:
    world = World(KeepingLater)
    older, newer = world.connect(), world.connect()
    newer.says(ABORT)
    newest = world.connect()
    older.handler.go.set()  # type: ignore[attr-defined]
    newer.handler.go.set()  # type: ignore[attr-defined]
    newest.handler.go.set()  # type: ignore[attr-defined]
    for _ in range(5):
        await settle()
    assert newer.handler.names == ["restore", "resumed", "text", "snapshot"]
    assert newest.handler.names == ["restore", "resumed"]
