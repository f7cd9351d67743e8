"""Why devices left: what is kept of it, how much, and what is forgotten first."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from keepline.errors import RefusedError
from keepline.gateway.endings import EACH, Ending, Endings, Recent, Refusal, refusal_of
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


def test_an_ending_comes_back_as_it_was_kept() -> None:
    endings = Endings(History(endings=10, refusals=10))
    endings.note_ending("one", SOME)
    assert endings.of_device("one") == [SOME]
    assert endings.of_device("two") == []
    assert SOME.reason is CloseReason.HEARTBEAT_TIMEOUT


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_of_one_device_the_last_few_are_kept_the_latest_first(beyond: int) -> None:
    endings = Endings(History(endings=100, refusals=1))
    count = EACH + beyond
    for claim in range(count):
        endings.note_ending("one", structs.replace(SOME, claim=claim))
    kept = [ending.claim for ending in endings.of_device("one")]
    assert kept == list(range(count))[::-1][:EACH]
    assert len(endings) == min(count, EACH)


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


def test_an_ending_takes_less_than_half_a_kilobyte() -> None:
    endings = Endings(History(endings=2_000, refusals=1))
    ids = [f"02:00:00:00:{number // 256:02x}:{number % 256:02x}" for number in range(2_000)]
    tracemalloc.start()
    for device_id in ids:
        endings.note_ending(device_id, SOME)
    taken_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken_bytes / 2_000 <= 420


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
    [ending] = world.node.endings.of_device("one")
    assert ending.cause == "device_said_close"
    assert ending.detail == "code 4001"
    assert ending.state == "active"
    assert ending.age_s == pytest.approx(21, abs=0.2)
    assert ending.last_frame_s == pytest.approx(21, abs=0.2)
    assert ending.last_byte_s == 0
    assert ending.average_rtt_s is not None
    assert (ending.pings, ending.ping_failures) == (1, 0)
    assert (ending.claim, ending.newer_claim) == (1, None)
    assert ending.session_id == life.session.session_id
    assert ending.address == "192.0.2.7"
    assert ending.at == pytest.approx(world.clock.wall())


async def test_a_replaced_session_names_the_claim_that_holds_its_device_now() -> None:
    world = World()
    old = world.connect("one")
    world.connect("one")
    old.loses_tcp()
    [ending] = world.node.endings.of_device("one")
    assert (ending.cause, ending.claim, ending.newer_claim) == ("replaced", 1, 2)
    (line,) = world.logged("device_disconnected")
    assert (line["claim"], line["newer_claim"], line["code"]) == (1, 2, 4001)


async def test_the_state_is_the_one_in_which_the_end_began() -> None:
    world = World()
    life = world.connect("one")
    world.pass_time(31.0)
    life.connection.close(CloseReason.KICKED)
    life.loses_tcp()
    [ending] = world.node.endings.of_device("one")
    assert (ending.state, ending.cause) == ("idle", "kicked")


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
    endings = Endings(History(endings=1, refusals=10))
    endings.note_refusal(refusal)
    assert endings.refusals_of_device("device-1") == [refusal]
    assert endings.refusals_of_address("192.0.2.7") == [refusal]
    assert endings.refusals_of_address("10.0.0.1") == []
    assert endings.of_device("device-1") == []  # anybody can name any device


@pytest.mark.parametrize("shown", ["", "a b", "x" * 129, "\x1b[31m", "é"])
def test_what_is_no_id_is_not_kept_as_one(shown: str) -> None:
    error = RefusedError("no", CloseReason.FORBIDDEN)
    request = device_request(headers={"device-id": shown}, address="192.0.2.7")
    refusal = refusal_of(error, request, "", 5.0)
    assert (refusal.device_id, refusal.address) == ("", "192.0.2.7")
    endings = Endings(History(endings=1, refusals=1))
    endings.note_refusal(refusal)
    assert endings.refusals_of_device("") == []


def test_a_request_that_never_came_whole_is_refused_by_address() -> None:
    refusal = refusal_of(RefusedError("slow", CloseReason.HEAD_TIMEOUT), None, "192.0.2.9", 5.0)
    assert (refusal.device_id, refusal.address) == ("", "192.0.2.9")


def test_refusals_are_bounded_for_each_of_their_keys() -> None:
    endings = Endings(History(endings=1, refusals=3))
    for number in range(5):
        endings.note_refusal(Refusal(0.0, "full", f"device-{number}", "192.0.2.1", ""))
    assert [bool(endings.refusals_of_device(f"device-{n}")) for n in range(5)] == [
        *(False, False),
        *(True, True, True),
    ]
    assert len(endings.refusals_of_address("192.0.2.1")) == 3
