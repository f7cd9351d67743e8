"""Why devices left: what is kept of it, how much, and what is forgotten first."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from keepline.errors import RefusedError
from keepline.gateway.endings import EACH, Ending, Recent, Refusal, Refusals, refusal_of
from keepline.gateway.greeting import Greeting
from keepline.hub.port import Event
from keepline.lifecycle.history import append
from keepline.lifecycle.states import Event as LifeEvent
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.settings.history import History
from keepline.wire.frames import Opcode
from tests.unit.gateway.fakes import World, device_request

SOME = Ending(
    at=1_800_000_000.0,
    cause="heartbeat_timeout",
    state="idle",
    age_s=3_600.5,
    last_frame_s=42.0,
    last_byte_s=19.5,
    average_rtt_s=0.018,
    pings=240,
    ping_failures=3,
    claim=17,
    newer_claim=None,
    session_id="0123456789abcdef",
    address="192.168.100.100",
    detail="",
)


def event_of(ending: Ending) -> Event:
    """Return what a hub keeps of an ending."""
    return Event(1, ending.at, "one", "offline", ending.event())


async def ends_of(world: World, device_id: str) -> list[dict[str, Any]]:
    """Return what the hub was told of a device's endings, the latest first."""
    events = await world.hub.latest(device_id=device_id, kind="offline")
    return [json.loads(event.data) for event in events]


def test_an_event_has_all_that_is_told_and_the_transitions_before_it() -> None:
    history = append(
        append(b"", State.ACTIVE, LifeEvent.HELLO, 0.1), State.IDLE, LifeEvent.QUIET, 3
    )
    told = json.loads(structs.replace(SOME, history=history).event())
    assert told.pop("steps") == [
        {"state": "active", "event": "hello", "after_s": 0.1},
        {"state": "idle", "event": "quiet", "after_s": 3.0},
    ]
    assert told == SOME.told()


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_of_one_address_the_last_few_are_kept_the_latest_first(beyond: int) -> None:
    refusals = Refusals(History(refusals=100))
    count = EACH + beyond
    for number in range(count):
        refusals.note(Refusal(number, "full", "", "192.0.2.1", ""))
    kept = [refusal.at for refusal in refusals.of_address("192.0.2.1")]
    assert kept == list(range(count))[::-1][:EACH]


@pytest.mark.parametrize(("devices", "forgotten"), [(9, 0), (10, 0), (11, 1)])
def test_beyond_the_limit_who_left_longest_ago_is_forgotten(devices: int, forgotten: int) -> None:
    recent = Recent(10)
    for number in range(devices):
        recent.add(f"device-{number}", b"x")
    assert len(recent) == min(devices, 10)
    gone = [number for number in range(devices) if not recent.of(f"device-{number}")]
    assert gone == list(range(forgotten))


def test_who_left_again_is_remembered_longer() -> None:
    recent = Recent(3)
    for key in ("one", "two", "one", "three"):
        recent.add(key, b"x")
    assert [len(recent.of(key)) for key in ("one", "two", "three")] == [2, 0, 1]


@given(st.lists(st.sampled_from("abcdef")), st.integers(1, 20), st.integers(1, 5))
@settings(deadline=None)
def test_the_count_is_true_and_the_limits_hold_whatever_comes(
    keys: list[str], most: int, each: int
) -> None:
    recent = Recent(most, each)
    for number, key in enumerate(keys):
        recent.add(key, str(number).encode())
        assert recent.of(key)[-1] == str(number).encode()
        held = [recent.of(other) for other in "abcdef"]
        assert sum(map(len, held)) == len(recent) <= most
        assert max(map(len, held)) <= each


def test_a_refusal_takes_less_than_half_a_kilobyte_for_both_of_its_keys() -> None:
    refusals = Refusals(History(refusals=2_000))
    ids = [f"02:00:00:00:{number // 256:02x}:{number % 256:02x}" for number in range(2_000)]
    tracemalloc.start()
    for device_id in ids:
        refusals.note(Refusal(SOME.at, "full", device_id, "192.0.2.1", "no room for it"))
    taken_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken_bytes / 2_000 <= 500


async def test_a_session_s_end_says_all_there_is_to_know() -> None:
    world = World()
    life = world.connect("one")
    life.connection.address = "192.0.2.7"
    world.pass_time(20.0)
    (opcode, payload) = life.transport.frames[-1]
    assert opcode == Opcode.PING
    life.pongs(payload)
    world.pass_time(1.0)
    life.says_close((4_001).to_bytes(2))
    life.loses_tcp()
    [ending] = await ends_of(world, "one")
    assert ending["cause"] == "device_said_close"
    assert ending["detail"] == "code 4001"
    assert ending["state"] == "active"
    assert ending["age_s"] == pytest.approx(21, abs=0.2)
    assert ending["last_frame_s"] == pytest.approx(21, abs=0.2)
    assert ending["last_byte_s"] == 0
    assert ending["average_rtt_s"] is not None
    assert (ending["pings"], ending["ping_failures"]) == (1, 0)
    assert (ending["claim"], ending.get("newer_claim")) == (1, None)
    assert ending["session_id"] == life.session.session_id
    assert ending["address"] == "192.0.2.7"
    [event] = await world.hub.latest(kind="offline")
    assert event.at == pytest.approx(world.clock.wall())


async def test_who_left_before_its_hello_is_among_the_refused() -> None:
    world = World()
    greeting = Greeting(world.node.hellos, world.node.loop)
    greeting.device_id = "one"
    connection = world.greeted(greeting)
    connection.close(CloseReason.HELLO_TIMEOUT)
    connection.connection_lost(None)
    [refusal] = world.node.refusals.of_device("one")
    assert (refusal.cause, refusal.reason.status) == ("hello_timeout", None)
    assert await ends_of(world, "one") == []


async def test_a_replaced_session_names_the_claim_that_holds_its_device_now() -> None:
    world = World()
    old = world.connect("one")
    world.connect("one")
    old.loses_tcp()
    [ending] = await ends_of(world, "one")
    assert (ending["cause"], ending["claim"], ending.get("newer_claim")) == ("replaced", 1, 2)
    (line,) = world.logged("device_disconnected")
    assert (line["claim"], line["newer_claim"], line["code"]) == (1, 2, 4001)


async def test_the_state_is_the_one_in_which_the_end_began() -> None:
    world = World()
    life = world.connect("one")
    world.pass_time(31.0)
    life.connection.close(CloseReason.KICKED)
    life.loses_tcp()
    [ending] = await ends_of(world, "one")
    assert (ending["state"], ending["cause"]) == ("idle", "kicked")


async def test_the_normal_end_is_told_without_any_word_of_failure() -> None:
    world = World()
    world.connect("one").loses_tcp()
    (line,) = world.logged("device_disconnected")
    assert (line["level"], line["initiator"], line["cause"]) == ("info", "device", "device_closed")
    assert "detail" not in line
    assert "code" not in line


def test_a_refusal_is_kept_by_the_device_it_names_and_by_its_address() -> None:
    error = RefusedError("token missing or wrong", CloseReason.UNAUTHORIZED)
    refusal = refusal_of(error, device_request(address="192.0.2.7"), "10.0.0.1", 5.0)
    assert refusal == Refusal(5.0, "unauthorized", "device-1", "192.0.2.7", error.detail)
    assert refusal.reason.status == 401
    refusals = Refusals(History(refusals=10))
    refusals.note(refusal)
    assert refusals.of_device("device-1") == [refusal]
    assert refusals.of_address("192.0.2.7") == [refusal]
    assert refusals.of_address("10.0.0.1") == []


@pytest.mark.parametrize("shown", ["", "a b", "x" * 129, "\x1b[31m", "é"])
def test_what_is_no_id_is_not_kept_as_one(shown: str) -> None:
    error = RefusedError("no", CloseReason.FORBIDDEN)
    request = device_request(headers={"device-id": shown}, address="192.0.2.7")
    refusal = refusal_of(error, request, "", 5.0)
    assert (refusal.device_id, refusal.address) == ("", "192.0.2.7")
    refusals = Refusals(History(refusals=1))
    refusals.note(refusal)
    assert refusals.of_device("") == []


def test_a_request_that_never_came_whole_is_refused_by_address() -> None:
    refusal = refusal_of(RefusedError("slow", CloseReason.HEAD_TIMEOUT), None, "192.0.2.9", 5.0)
    assert (refusal.device_id, refusal.address) == ("", "192.0.2.9")


def test_refusals_are_bounded_for_each_of_their_keys() -> None:
    refusals = Refusals(History(refusals=3))
    for number in range(5):
        refusals.note(Refusal(0.0, "full", f"device-{number}", "192.0.2.1", ""))
    assert [bool(refusals.of_device(f"device-{n}")) for n in range(5)] == [
        *(False, False),
        *(True, True, True),
    ]
    assert len(refusals.of_address("192.0.2.1")) == 3
