from __future__ import annotations

from random import Random
from statistics import fmean
from typing import Any

import pytest

from keepline.monitor.capacity.costs import Costs, Observed, learn
from keepline.monitor.capacity.fit import Cost, expecting
from keepline.monitor.capacity.forecast import (
    CPU_SHARE,
    FEWEST,
    KERNEL_BYTES,
    MEMORY_SHARE,
    Forecast,
    Now,
    Resource,
    Terms,
    forecast,
)
from tests.unit.monitor.capacity.test_costs import TRUE, ramp

MIB = 1 << 20
NOW = Now(
    sessions=1_000,
    fewer=0,
    memory_bytes=100 * MIB,
    descriptors=1_030,
    sessions_lately=1_000,
    talking=100,
    cpu=0.1,
    pings_per_s=60,
    frames_per_s=1_700,
    handshakes_per_s=0,
)
HERE = Terms(
    interval_s=15,
    talk_share=0.1,
    memory_limit_bytes=1 << 34,
    descriptor_limit=1_000_000,
    descriptors_kept=0,
    connections=500_000,
)
COSTS = Costs()


def asked(here: dict[str, Any] | None = None, what_if: dict[str, Any] | None = None) -> Forecast:
    terms = HERE._replace(**(here or {}))
    return forecast(NOW, COSTS, terms, terms._replace(**(what_if or {})))


@pytest.mark.parametrize(
    ("limits", "resource", "most"),
    [
        ({"connections": 2_000}, Resource.CONNECTIONS, 2_000),
        ({"descriptor_limit": 2_000}, Resource.DESCRIPTORS, 1_770),  # 1,800 less 30 that are open
        (
            {"descriptor_limit": 2_000, "descriptors_kept": 300},
            Resource.DESCRIPTORS,
            1_670,
        ),
        ({"connections": 500}, Resource.CONNECTIONS, 500),
    ],
)
def test_what_runs_out_first_decides(limits: dict[str, Any], resource: Resource, most: int) -> None:
    found = asked(limits)
    assert (found.limited_by, found.most, found.left) == (resource, most, max(0, most - 1_000))


def test_memory_is_what_a_session_and_its_socket_take() -> None:
    found = asked({"memory_limit_bytes": 200 * MIB})
    each = COSTS.memory.of((1, 0.1, 0)).each + KERNEL_BYTES
    free = MEMORY_SHARE * 200 * MIB - 100 * MIB - 1_000 * KERNEL_BYTES
    assert found.limited_by is Resource.MEMORY
    assert found.left == pytest.approx(free / each, abs=1)


def test_cpu_is_what_pings_and_frames_take() -> None:
    found = asked()
    each = COSTS.cpu.of((60, 1_700, 0)).each / 1_000
    assert found.limited_by is Resource.CPU
    assert found.left == pytest.approx((CPU_SHARE - 0.1) / each, abs=1)


def test_handshakes_of_a_crowd_that_comes_are_no_cost_of_those_who_are_there() -> None:
    cpu = 0.1 + COSTS.cpu.of((0, 0, 200)).each
    coming = NOW._replace(handshakes_per_s=200, cpu=cpu)
    assert forecast(coming, COSTS, HERE).most == pytest.approx(asked().most, rel=0.001)


def test_longer_intervals_make_room_and_more_talk_and_less_memory_take_it() -> None:
    usual = asked().most
    assert asked(what_if={"interval_s": 30}).most > usual
    assert asked(what_if={"talk_share": 0.2}).most < usual
    assert asked(what_if={"memory_limit_bytes": 150 * MIB}).limited_by is Resource.MEMORY


def test_what_is_learned_later_is_told_to_be_expected_now() -> None:
    learned = Costs(
        expecting(Cost(3_000.0, 10.0), Cost(4_000.0, 10.0), Cost(0.0, 10.0)),
        expecting(Cost(3e-5, 1e-6), Cost(6e-6, 1e-7), Cost(1e-4, 1e-4)),
    )
    by_resource = {room.resource: room for room in forecast(NOW, learned, HERE).rooms}
    assert all(room.is_learned for room in by_resource.values())
    by_resource = {room.resource: room for room in asked().rooms}
    assert not by_resource[Resource.MEMORY].is_learned
    assert not by_resource[Resource.CPU].is_learned


def test_a_cost_that_is_hardly_known_leaves_the_number_wide_open_and_says_so() -> None:
    def found(spread: float, **now: float) -> Forecast:
        costs = Costs()._replace(
            cpu=expecting(Cost(3e-5, 0.0), Cost(1e-5, spread * 1e-5), Cost(1e-4, 0.0))
        )
        return forecast(NOW._replace(**now), costs, HERE._replace(memory_limit_bytes=None))

    well, badly = found(0.05), found(0.5)
    assert well.is_known
    assert well.least < well.most < well.best < 1.2 * well.most
    assert (badly.is_known, badly.most) == (False, well.most)
    assert badly.least < 0.6 * badly.most
    assert badly.best > 5 * badly.most  # at best a frame costs nothing
    assert not found(0.05, sessions_lately=FEWEST - 1).is_known


@pytest.mark.parametrize("over", [0.001, 0.1])
def test_that_a_node_is_over_its_limit_is_known(over: float) -> None:
    costs = Costs()._replace(
        cpu=expecting(Cost(3e-5, 0.0), Cost(1e-5, 0.05e-5), Cost(1e-4, 0.0)),
    )
    found = forecast(NOW._replace(cpu=CPU_SHARE + over), costs, HERE)
    assert (found.limited_by, found.left, found.is_known) == (Resource.CPU, 0, True)


def test_a_cost_that_is_hardly_known_does_not_matter_where_another_thing_ends_it() -> None:
    found = asked({"connections": 1_010})
    assert (found.least, found.most, found.best, found.is_known) == (1_010, 1_010, 1_010, True)


def test_what_is_used_up_already_has_no_room_however_little_a_session_takes() -> None:
    found = asked({"memory_limit_bytes": 10 * MIB})
    assert (found.left, found.limited_by) == (0, Resource.MEMORY)
    assert found.least <= found.most <= found.best <= NOW.sessions


def test_what_a_machine_does_not_tell_limits_nothing() -> None:
    unknown = NOW._replace(memory_bytes=None, cpu=None, descriptors=None)
    found = forecast(unknown, COSTS, HERE)
    assert [room.resource for room in found.rooms] == [Resource.CONNECTIONS]


def test_an_empty_gateway_has_a_forecast() -> None:
    empty = Now(0, 0, 70.0 * MIB, 30, 0, 0, 0.01, 0, 0, 0)
    found = forecast(empty, COSTS, HERE._replace(talk_share=0.0))
    assert 0 < found.left == found.most


def test_a_ramp_to_the_limit_of_the_cpu_ends_where_it_was_forecast() -> None:
    seen = ramp(40)[1:]
    last = seen[-1]
    now = Now(
        sessions=last.sessions,
        fewer=0,
        memory_bytes=last.memory_bytes,
        descriptors=None,
        sessions_lately=last.sessions,
        talking=last.talking,
        cpu=last.cpu,
        pings_per_s=last.pings_per_s,
        frames_per_s=last.frames_per_s,
        handshakes_per_s=last.handshakes_per_s,
    )
    found = forecast(now, learn(seen), HERE._replace(talk_share=now.talk_share))
    assert found.limited_by is Resource.CPU
    share = now.talk_share * now.frames_per_s / now.talking * TRUE["frame"] + TRUE["ping"] / 15
    true_most = (CPU_SHARE - 0.01 - 2 * TRUE["handshake"]) / share
    assert found.most == pytest.approx(true_most, rel=0.15)


def test_memory_that_a_crowd_has_left_behind_is_room_for_the_next() -> None:
    learned = Costs()._replace(
        memory=expecting(Cost(3_000.0, 10.0), Cost(4_000.0, 10.0), Cost(600.0, 10.0))
    )
    here = HERE._replace(memory_limit_bytes=200 * MIB)
    usual, after = forecast(NOW, learned, here), forecast(NOW._replace(fewer=9_000), learned, here)
    assert after.rooms[0].used == usual.rooms[0].used - 9_000 * 600
    assert after.most > usual.most


def small(seed: int, sessions: int, samples: int, frame_s: float) -> tuple[Now, Costs]:
    """A few devices on a gateway of which they take little: what was seen, as it is learned."""
    random, seen = Random(seed), []
    for _ in range(samples):
        talking = sum(random.random() < 0.4 for _ in range(sessions))
        pings, frames = sessions / 15 * random.uniform(0.5, 1.5), talking * random.uniform(10, 20)
        cpu = 0.01 + TRUE["ping"] * pings + frame_s * frames + random.gauss(0, 0.003)
        rss = 70e6 + random.gauss(0, 2e5)
        row = Observed(sessions, talking, 0, rss, round(max(0.0, cpu), 3), pings, frames, 0)
        seen.append(row)
    names = ("talking", "cpu", "pings_per_s", "frames_per_s", "handshakes_per_s")
    lately = {name: fmean(getattr(row, name) for row in seen[-12:]) for name in names}
    return Now(sessions, 0, 70e6, None, sessions, **lately), learn(seen)


@pytest.mark.parametrize(("sessions", "samples"), [(5, 36), (12, 36), (12, 240)])
@pytest.mark.parametrize("frame_s", [12e-6, TRUE["frame"]])
def test_what_few_have_shown_is_right_within_the_range_that_is_told(
    sessions: int, samples: int, frame_s: float
) -> None:
    right, known = 0, []
    for seed in range(20):
        now, costs = small(seed, sessions, samples, frame_s)
        terms = HERE._replace(talk_share=now.talk_share, memory_limit_bytes=None)
        found = forecast(now, costs, terms)
        frames = now.frames_per_s / sessions * frame_s
        pings = now.pings_per_s / sessions * TRUE["ping"]
        true_most = min(terms.connections, (CPU_SHARE - 0.01) / (frames + pings))
        right += found.least <= true_most <= found.best
        known += [abs(found.most / true_most - 1)] if found.is_known else []
    assert right >= 18
    assert max(known, default=0.0) < 0.3
