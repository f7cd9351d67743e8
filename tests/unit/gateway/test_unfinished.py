"""What an idle device has begun to say and does not finish."""

from __future__ import annotations

from keepline.gateway.governor.actions import Action
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, encode_masked
from tests.unit.gateway.fakes import KEY, Life, World

LARGE = encode_masked(Opcode.BINARY, bytes(10_000), KEY)
IDLE_AFTER_S = 5.0


def world() -> World:
    return World(session={"idle_after_s": IDLE_AFTER_S})


def trickles(life: Life, here: World, for_s: float) -> None:
    """A byte a second is life: no heartbeat ends it."""
    for _ in range(round(for_s)):
        if life.transport.reading:
            life.connection.data_received(b"\0")
        here.pass_time(1)


async def test_a_message_that_is_never_finished_ends_an_idle_session_and_is_not_kept() -> None:
    here = world()
    life = here.connect()
    life.connection.data_received(LARGE[:-100])
    trickles(life, here, IDLE_AFTER_S + 1)
    assert life.connection.lifecycle.state is State.IDLE
    trickles(life, here, IDLE_AFTER_S + 1)
    assert life.connection.lifecycle.reason is CloseReason.MESSAGE_TIMEOUT
    assert life.connection._reader is None
    assert life.transport.close_code == 1008
    assert not life.transport.reading
    here.pass_time(life.connection.profile.close_timeout_s + 1)
    assert life.transport.aborted
    assert not here.node.wheel.armed


async def test_a_message_that_an_idle_device_begins_has_as_long() -> None:
    here = world()
    life = here.connect()
    here.pass_time(IDLE_AFTER_S + 1)
    assert life.connection.lifecycle.state is State.IDLE
    life.connection.data_received(LARGE[:-100])
    for _ in range(120):
        trickles(life, here, 1)
        if life.connection.lifecycle.reason is not None:
            break
    assert life.connection.lifecycle.reason is CloseReason.MESSAGE_TIMEOUT


async def test_a_slow_message_that_is_finished_in_time_is_heard_and_the_next_has_its_own_time() -> (
    None
):
    here = world()
    life = here.connect()
    for number in range(1, 4):
        life.connection.data_received(LARGE[:-8])
        trickles(life, here, 8)  # which are its last ones
        assert life.handler.names.count("audio") == number
    assert not here.node.seldom.unfinished
    assert life.connection.lifecycle.reason is None


async def test_a_node_under_pressure_leaves_it_its_time() -> None:
    here = world()
    here.node.governor.force(1.0, Action.SHRINK)
    here.node.governor.look()
    assert here.node.idle_after_s < IDLE_AFTER_S
    life = here.connect()
    here.pass_time(IDLE_AFTER_S + 1)
    assert life.connection.lifecycle.state is State.IDLE
    life.connection.data_received(LARGE[:-100])
    life.connection.on_due(here.node.ticker.now)
    trickles(life, here, IDLE_AFTER_S - 1)
    assert life.connection.lifecycle.reason is None
    trickles(life, here, 2)
    assert life.connection.lifecycle.reason is CloseReason.MESSAGE_TIMEOUT


async def test_while_we_do_not_listen_no_message_is_late() -> None:
    here = world()
    life = here.connect()
    life.connection.data_received(LARGE[:-100])
    life.connection.pause_receiving()
    here.pass_time(4 * IDLE_AFTER_S)
    assert life.connection.lifecycle.reason is None
    life.connection.resume_receiving()
    trickles(life, here, IDLE_AFTER_S - 1)
    assert life.connection.lifecycle.reason is None


async def test_a_ping_that_came_slowly_takes_nothing_of_the_time_of_the_next_message() -> None:
    here = world()
    life = here.connect()
    here.pass_time(IDLE_AFTER_S + 1)
    ping = encode_masked(Opcode.PING, b"ping", KEY)
    life.connection.data_received(ping[:-1])
    life.connection.on_due(here.node.ticker.now)
    assert here.node.seldom.unfinished
    here.pass_time(IDLE_AFTER_S - 1)
    life.connection.data_received(ping[-1:])
    assert not here.node.seldom.unfinished
    life.connection.data_received(LARGE[:-100])
    trickles(life, here, IDLE_AFTER_S - 1)
    assert life.connection.lifecycle.reason is None
