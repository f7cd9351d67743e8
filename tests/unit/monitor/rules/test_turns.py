"""Rules that take turns."""

from __future__ import annotations

from keepline.monitor.findings import Finding
from keepline.monitor.rules.turns import STAGGER_S, Turn


def taken(times: list[float], place: int = 0, every_s: float = 30.0) -> list[float]:
    """Return when a rule looked."""
    looked: list[float] = []
    turn = Turn("rule", every_s, place)
    for now in times:

        def look(_: str, at: float = now) -> Finding | None:
            looked.append(at)
            return None

        turn.take(now, look)
    return looked


def test_a_rule_looks_at_its_place_and_then_at_its_pace() -> None:
    times = [100.0 + 5.0 * at for at in range(15)]
    assert taken(times) == [100.0, 130.0, 160.0]
    assert taken(times, place=2) == [110.0, 140.0, 170.0]


def test_no_two_places_share_a_sample() -> None:
    times = [STAGGER_S * at for at in range(24)]
    looks = [set(taken(times, place, 60.0)) for place in range(12)]
    assert sum(map(len, looks)) == len(set.union(*looks)) == 24


def test_turns_that_were_missed_are_not_made_up_for() -> None:
    assert taken([0.0, 95.0, 96.0, 120.0]) == [0.0, 95.0, 120.0]
