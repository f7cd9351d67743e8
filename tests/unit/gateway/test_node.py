from __future__ import annotations

import pytest

from keepline.gateway.identity import Identity
from keepline.gateway.node import MOST_UNWELL
from keepline.gateway.receiver import Receiver
from keepline.monitor.alerts.incidents import Incident
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from keepline.wire.messages import Hello, ServerHello, parse_server_message
from tests.unit.gateway.fakes import Recorder, World

HEART = {"interval_s": 1, "suspicious_s": 3, "zombie_s": 4}


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


async def test_our_own_stalls_lengthen_every_wait_until_we_are_well_again() -> None:
    world = World()
    for _ in range(MOST_UNWELL + 2):
        world.stall(1.0)
        world.node.each_second()
    assert world.node.judge.stretch == 1 + MOST_UNWELL
    assert len(world.logged("loop_stalled")) == MOST_UNWELL + 2
    for _ in range(MOST_UNWELL + 2):
        world.pass_time(1.0)
        world.node.each_second()
    assert world.node.judge.stretch == 1


async def test_the_end_of_a_mass_suspicion_is_told_once() -> None:
    world = World(heartbeat=HEART)
    lives = [world.connect(f"device-{number}") for number in range(200)]
    world.pass_time(3.5)
    assert world.counters.mass_suspicions == 1
    [problem] = world.node.incidents.problems(world.node.ticker.now)
    assert problem.about == Incident.MASS_SUSPICION
    for life in lives:
        life.loses_tcp()
    for _ in range(30):
        world.pass_time(1.0)
        world.node.each_second()
    assert len(world.logged("mass_suspicion_over")) == 1
    assert world.node.incidents.problems(world.node.ticker.now) == []


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
