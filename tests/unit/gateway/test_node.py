from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from keepline.gateway.connection import Connection
from keepline.gateway.identity import Identity
from keepline.gateway.opening import Behind, Opening
from keepline.gateway.receiver import Receiver
from keepline.gateway.session import Session
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from keepline.wire.messages import Hello, ServerHello, parse_server_message
from tests.unit.gateway.fakes import FakeTransport, Recorder, World, settle
from tests.unit.gateway.test_memory import Keeping, come


async def test_the_hello_is_answered_before_the_handler_says_anything() -> None:
    class Greets(Recorder):
        def opened(self, session: object) -> None:
            session.send_text("welcome")  # type: ignore[attr-defined]

    life = World(Greets).connect()
    (first_opcode, first), (_, second) = life.transport.frames
    hello = parse_server_message(first.decode())
    assert first_opcode == Opcode.TEXT
    assert isinstance(hello, ServerHello)
    assert hello.session_id == life.session.session_id == "session-1"
    assert hello.transport == "websocket"
    assert second == b"welcome"


async def test_each_session_has_its_own_handler_and_id() -> None:
    world = World()
    one, other = world.connect("one"), world.connect("other")
    assert one.session.handler is not other.session.handler
    assert one.session.session_id != other.session.session_id
    assert world.counters.sessions_opened == 2


async def test_a_takeover_closes_the_older_connection_and_is_logged() -> None:
    world = World()
    old = world.connect("device")
    world.connect("device")
    assert old.transport.close_code == 4001
    assert [line["takeover"] for line in world.logged("device_connected")] == [False, True]


async def test_a_device_that_left_meanwhile_gets_no_session() -> None:
    world = World()
    connection = world.greeted(Receiver())
    connection.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        world.open(connection, Identity("device", ""), Hello())
    assert len(world.node.registry) == 0


async def test_a_fault_at_its_deadline_ends_that_connection() -> None:
    world = World()
    life = world.connect()
    world.node.ticker._on_fault(life.connection, ZeroDivisionError())
    assert life.transport.aborted
    assert world.logged("deadline_failed")
    life.loses_tcp()  # as the loop tells it afterwards
    (line,) = world.logged("device_disconnected")
    assert (line["initiator"], line["cause"]) == ("us", "internal_error")


async def test_an_ending_is_told_with_who_and_why_and_how_it_was() -> None:
    world = World()
    life = world.connect()
    world.pass_time(2.0)
    life.loses_tcp()
    (line,) = world.logged("device_disconnected")
    assert line["initiator"] == "device"
    assert line["cause"] == "device_closed"
    assert line["age_s"] == pytest.approx(2.0, abs=0.11)
    assert line["average_rtt_s"] is None


async def test_who_was_revoked_after_it_was_judged_is_not_let_into_a_session() -> None:
    class Everybody:
        def is_revoked(self, device_id: str, issued_at: float | None) -> bool:
            return True

    world = World()
    connection = world.greeted(Receiver())
    world.node.gate._revocations = Everybody()
    with pytest.raises(ConnectionResetError):
        world.open(connection, Identity("device-1", ""), Hello())
    assert connection.lifecycle.reason is CloseReason.REVOKED
    assert len(world.node.registry) == 0


class Fails:
    """Raises when it is called, as something of ours that nobody thought of."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error or ZeroDivisionError()

    def __call__(self, *_: object, **__: object) -> None:
        raise self.error


class Unmade(Recorder):
    """Of no kind: cannot say whether it is threaded."""

    @property
    def threaded(self) -> bool:  # type: ignore[override]
        raise LookupError


async def opened(world: World, connection: Connection, session_id: str = "session-9") -> Session:
    claim = await world.node.memory.claim("device-1", session_id)
    return world.node.open_session(connection, Identity("device-1", "c"), Hello(), claim)


BEHIND = SimpleNamespace(make_session=Fails(LookupError()))


@pytest.mark.parametrize("behind", [None, BEHIND])
async def test_a_session_that_cannot_be_made_gives_the_device_back(behind: Behind | None) -> None:
    world = World(Unmade)
    world.node.behind = behind
    connection = world.greeted(Receiver())
    claim = await world.node.memory.claim("device-1", "session-9")
    opening = cast("Opening", object())
    with pytest.raises(LookupError):
        world.node.open_session(connection, Identity("device-1", "c"), Hello(), claim, opening)
    assert len(world.node.registry) == 0
    assert not world.hub._held


PLACES = ["flapping", "presence", "hub", "answer", "log", "begin"]


def broken(world: World, place: str, connection: Connection, patch: pytest.MonkeyPatch) -> None:
    """Have something fail between the claim of a device and its handler's first call."""
    match place:
        case "begin":
            patch.setattr("keepline.gateway.node.begin", Fails())
        case "flapping":
            world.node.arrivals.flapping = SimpleNamespace(  # type: ignore[assignment]
                on_takeover=Fails(), on_ended=lambda *_: None, each_second=lambda _: None
            )
        case "presence":
            world.node.presence = SimpleNamespace(  # type: ignore[assignment]
                online=Fails(), offline=lambda *_: None
            )
        case "hub":
            world.hub.emit = Fails()  # type: ignore[method-assign]
        case "answer":
            cast("FakeTransport", connection.transport).on_write = Fails()
        case "log":
            world.node.log = SimpleNamespace(  # type: ignore[assignment]
                info=Fails(), error=lambda *_, **__: None
            )


@pytest.mark.parametrize("place", PLACES)
async def test_a_session_that_fails_to_open_leaves_what_the_older_one_had(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Keeping)
    log, emit = world.node.log, world.hub.emit
    older = await come(world)
    connection = world.greeted(Receiver())
    broken(world, place, connection, monkeypatch)
    with pytest.raises(ZeroDivisionError):
        await opened(world, connection)
    assert older.transport.close_code == CloseReason.REPLACED.code
    assert connection.lifecycle.reason is CloseReason.INTERNAL_ERROR
    monkeypatch.undo()
    world.node.log, world.node.presence = log, None
    world.hub.emit = emit  # type: ignore[method-assign]
    older.loses_tcp()
    connection.connection_lost(None)
    await settle()
    assert len(world.node.registry) == 0
    found = await world.hub.claim("device-1", "session-10")
    record = world.node.memory.recollect(found)
    assert record is not None
    assert record.snapshot == b"state"


async def test_a_session_that_fails_to_open_leaves_what_was_kept_for_it() -> None:
    world = World(Keeping)
    (await come(world)).loses_tcp()
    connection = world.greeted(Receiver())
    cast("FakeTransport", connection.transport).on_write = Fails()
    with pytest.raises(ZeroDivisionError):
        await opened(world, connection)
    assert connection.lifecycle.reason is CloseReason.INTERNAL_ERROR
    connection.connection_lost(None)
    await settle()
    assert (await come(world)).handler.calls[0] == ("restore", b"state")


async def test_an_older_session_that_cannot_be_closed_does_not_keep_the_newer_one_out() -> None:
    world = World(Keeping)
    older = await come(world)
    older.transport.on_write = Fails()
    newer = await come(world)
    assert newer.handler.calls[0] == ("restore", b"state")
    assert older.transport.aborted
    assert world.logged("replaced_not_closed")
