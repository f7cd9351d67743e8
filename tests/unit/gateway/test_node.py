from __future__ import annotations

import pytest

from keepline.gateway.identity import Identity
from keepline.gateway.receiver import Receiver
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from keepline.wire.messages import Hello, ServerHello, parse_server_message
from tests.unit.gateway.fakes import Recorder, World


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
