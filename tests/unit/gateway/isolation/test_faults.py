from __future__ import annotations

import errno
import json

import pytest

from keepline.errors import ReplacedError, SessionEndedError
from keepline.gateway.isolation.faults import EVENTS_PER_S, RELEASE_EACH_S
from keepline.gateway.session import Session
from keepline.lifecycle.faults import Fault, Source
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import Slow, World

SAYS = '{"type":"custom","payload":1}'


def falls(session: Session) -> None:
    raise LookupError("what somebody said")


def falls_again(session: Session) -> None:
    raise ValueError("while it was ending")


async def test_the_first_error_wins_and_the_next_says_behind_which_it_came() -> None:
    world = World()
    life = world.connect()
    world.node.fence.call(life.session, falls)
    world.node.fence.call(life.session, falls_again)
    first, second = world.logged("handler_failed")
    assert "after" not in first
    assert second["after"] == "LookupError: what somebody said"
    assert "LookupError" in second["exception"]  # its traceback has both
    assert life.connection.lifecycle.detail.startswith("LookupError at ")
    assert world.counters.faults[Fault.UNKNOWN, Source.HANDLER] == 2
    assert world.counters.handler_failures == 2


async def test_the_first_error_is_behind_all_that_is_behind_a_later_one() -> None:
    first, deepest, last = LookupError(), KeyError(), ValueError()
    last.__cause__ = deepest

    def raises(error: Exception) -> None:
        raise error

    world = World()
    life = world.connect()
    world.node.fence.call(life.session, lambda _: raises(first))
    world.node.fence.call(life.session, lambda _: raises(last))
    assert deepest.__context__ is first


async def test_what_a_handler_could_not_help_ends_its_session_and_counts_for_nothing() -> None:
    def is_overtaken(session: Session) -> None:
        raise ReplacedError("the device is elsewhere")

    world = World()
    life = world.connect()
    world.node.fence.call(life.session, is_overtaken)
    assert life.connection.lifecycle.reason is CloseReason.REPLACED
    assert world.counters.handler_failures == 0
    assert not any(world.counters.faults.values())
    assert world.logged("handler_failed") == []


async def test_errors_that_know_each_other_already_make_no_circle() -> None:
    world = World()
    life = world.connect()
    first = LookupError()

    def raises(session: Session) -> None:
        raise first

    world.node.fence.call(life.session, raises)
    world.node.fence.call(life.session, raises)
    assert first.__context__ is None
    assert len(world.logged("handler_failed")) == 2


async def test_nothing_of_a_session_is_kept_once_it_has_gone() -> None:
    world = World()
    life = world.connect()
    world.node.fence.call(life.session, falls)
    faults = world.node.isolation.faults
    assert len(faults._first) == 1
    life.loses_tcp()
    assert faults._first == {}
    world.node.fence.call(life.session, falls_again)
    assert faults._first == {}


async def test_what_a_device_said_is_in_no_event_and_in_no_ending() -> None:
    world = World()
    life = world.connect()
    world.node.fence.call(life.session, falls)
    world.node.fence.call(life.session, falls_again)
    life.loses_tcp()
    for event in await world.hub.latest(limit=100):
        assert b"what somebody said" not in event.data
    latest, former = await world.hub.latest(limit=100, kind="fault")
    assert (latest.device_id, former.device_id) == ("device-1", "device-1")
    assert json.loads(former.data)["call"] == "falls"


async def test_who_waited_for_the_device_when_it_left_has_not_failed() -> None:
    def waited(session: Session) -> None:
        raise SessionEndedError("it has gone")

    world = World()
    life = world.connect()
    life.session.close(CloseReason.KICKED)
    world.node.fence.call(life.session, waited)
    assert world.counters.handler_failures == 0


async def test_a_handler_without_memory_gives_up_its_own_audio_and_no_message() -> None:
    def is_greedy(session: Session) -> None:
        raise MemoryError

    world = World(Slow)
    one, other = world.connect("one"), world.connect("other")
    for life in (one, other):
        life.says(SAYS)
        for _ in range(5):
            life.streams(b"opus")
        life.says(SAYS)
    world.node.fence.call(one.session, is_greedy)
    assert one.connection.lifecycle.reason is CloseReason.OUT_OF_MEMORY
    assert world.counters.inbox_audio_dropped == 5
    for life, waiting in ((one, 1), (other, 6)):
        assert life.session._inbox is not None
        assert len(life.session._inbox) == waiting


async def test_our_own_lack_of_memory_gives_up_everybody_s_audio_once_in_a_while() -> None:
    world = World(Slow)
    lives = [world.connect(device_id) for device_id in ("one", "other")]
    for life in lives:
        life.says(SAYS)
    faults = world.node.isolation.faults

    def lacks_memory() -> int:
        for life in lives:
            life.streams(b"opus")
        assert faults.of_ours(MemoryError(), "admission_failed") is CloseReason.OUT_OF_MEMORY
        return world.counters.inbox_audio_dropped

    assert lacks_memory() == 2
    assert lacks_memory() == 2
    assert world.counters.faults[Fault.MEMORY, Source.US] == 2
    world.pass_time(RELEASE_EACH_S)
    assert lacks_memory() == 2 + 4  # what has come meanwhile, too
    assert [line["audio_frames"] for line in world.logged("memory_released")] == [2, 4]


async def test_a_lost_socket_is_counted_by_its_class() -> None:
    world = World()
    of_socket = world.node.isolation.faults.of_socket
    assert of_socket(None) is CloseReason.DEVICE_CLOSED
    assert of_socket(OSError(errno.ETIMEDOUT, "?")) is CloseReason.NETWORK_TIMEOUT
    assert of_socket(KeyError()) is CloseReason.INTERNAL_ERROR
    assert {each: n for each, n in world.counters.faults.items() if n} == {
        (Fault.TIMEOUT, Source.SOCKET): 1,
        (Fault.UNKNOWN, Source.SOCKET): 1,
    }
    [line] = world.logged("connection_failed")  # a fault of ours is no network's
    assert line["cause"] == "internal_error"


async def test_a_socket_that_the_system_has_no_memory_for_gives_up_audio_too() -> None:
    world = World(Slow)
    life = world.connect()
    life.says(SAYS)
    life.streams(b"opus")
    of_socket = world.node.isolation.faults.of_socket
    assert of_socket(ConnectionResetError()) is CloseReason.DEVICE_RESET
    assert world.counters.inbox_audio_dropped == 0
    assert of_socket(OSError(errno.ENOBUFS, "?")) is CloseReason.OUT_OF_MEMORY
    assert world.counters.inbox_audio_dropped == 1


@pytest.mark.parametrize("surplus", [0, 1, 25])
async def test_a_storm_of_faults_is_a_few_events_and_a_number(surplus: int) -> None:
    world = World()
    faults = world.node.isolation.faults
    for _ in range(EVENTS_PER_S + surplus):
        faults.of_ours(KeyError(), "admission_failed")
    faults.each_second()
    told = [json.loads(event.data) for event in await world.hub.latest(limit=100, kind="fault")]
    assert [each for each in told if "folded" in each] == [{"folded": surplus}] * bool(surplus)
    assert len(told) == EVENTS_PER_S + bool(surplus)
    assert len(world.logged("admission_failed")) == EVENTS_PER_S + surplus
    faults.of_ours(KeyError(), "admission_failed")
    assert len(await world.hub.latest(limit=100, kind="fault")) == len(told) + 1


async def test_a_handler_that_fails_where_its_session_cannot_be_closed_ends_it_all_the_same() -> (
    None
):
    def cannot_write() -> None:
        raise RuntimeError("the transport is gone")

    world = World()
    life = world.connect()
    life.transport.on_write = cannot_write
    assert world.node.fence.call(life.session, falls) is None
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED
    assert life.transport.aborted
    assert world.logged("failed_not_closed")
