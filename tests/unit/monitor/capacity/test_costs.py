from __future__ import annotations

from math import nan
from random import Random

import pytest

from keepline.monitor.capacity.costs import KNOWN_WITHIN, Costs, Observed, learn

KIB = 1_024.0
TRUE = {"session": 40 * KIB, "talk": 20 * KIB, "ping": 50e-6, "frame": 90e-6, "handshake": 1e-3}


def ramp(samples: int, *, memory: bool = True) -> list[Observed]:
    """A gateway that fills up, as its sampler sees it: noise, steps of RSS, coarse CPU times."""
    random = Random(5)
    found = []
    for n in range(samples):
        sessions = 10 * n
        talking = int(sessions * random.uniform(0.05, 0.3))
        pings, frames, handshakes = sessions / 15, talking * random.uniform(10, 20), 2.0
        cpu = 0.01 + TRUE["ping"] * pings + TRUE["frame"] * frames + TRUE["handshake"] * handshakes
        rss = 70e6 + TRUE["session"] * sessions + TRUE["talk"] * talking + random.gauss(0, 3e5)
        found.append(
            Observed(
                sessions,
                talking,
                0,
                rss if memory else nan,
                round(cpu + random.gauss(0, 0.002), 3),
                pings,
                frames,
                handshakes,
            )
        )
    return found


def test_what_a_session_and_a_frame_cost_is_learned_while_a_gateway_fills_up() -> None:
    costs = learn(ramp(60)).by_name()
    assert costs["session_bytes"].each == pytest.approx(TRUE["session"], rel=0.1)
    assert costs["session_bytes"].is_known(KNOWN_WITHIN)
    assert costs["frame_s"].each == pytest.approx(TRUE["frame"], rel=0.1)
    assert costs["frame_s"].is_known(KNOWN_WITHIN)


def test_before_anything_was_seen_costs_are_the_expected_and_say_so() -> None:
    costs = learn([])
    assert costs == Costs()
    assert not any(cost.is_known(KNOWN_WITHIN) for cost in costs.by_name().values())


def test_a_machine_that_tells_no_memory_teaches_the_rest() -> None:
    costs = learn(ramp(60, memory=False))
    assert costs.memory == Costs().memory
    assert costs.by_name()["frame_s"].is_known(KNOWN_WITHIN)


def test_what_a_crowd_has_left_behind_is_told_from_what_those_take_who_are_there() -> None:
    seen = ramp(60)
    base, most = 70e6, seen[-1].sessions
    random = Random(3)
    for sessions in (most / 2, 0.0):
        for _ in range(30):
            fewer = most - sessions
            held = TRUE["session"] * (sessions + 0.2 * fewer)
            seen.append(
                Observed(sessions, 0, fewer, base + held + random.gauss(0, 3e5), *[0.0] * 4)
            )
    costs = learn(seen).by_name()
    assert costs["session_bytes"].each == pytest.approx(TRUE["session"], rel=0.05)
    assert costs["left_bytes"].each == pytest.approx(0.2 * TRUE["session"], rel=0.1)
