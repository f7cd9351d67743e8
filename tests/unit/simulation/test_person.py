from __future__ import annotations

from math import inf

from keepline.fleet.chance import Chance
from keepline.simulation.person import TALK_S, Habit, drawn_kind


def test_people_talk_for_their_share_of_the_time() -> None:
    chance, habit = Chance(1, 1), Habit(talk=0.05)
    pauses_s = [habit.next_talk_s(chance) for _ in range(2_000)]
    talk_s = sum(TALK_S) / 2
    assert 0.045 < talk_s / (talk_s + sum(pauses_s) / len(pauses_s)) < 0.055
    assert Habit(talk=0.0).next_talk_s(chance) == inf


def test_a_fleet_has_devices_of_every_kind() -> None:
    kinds = [drawn_kind(Chance(1, number)) for number in range(200)]
    assert {kind.version for kind in kinds} == {1, 2, 3}
    for trait in ("pongs", "mcp", "acks"):
        assert {getattr(kind, trait) for kind in kinds} == {True, False}
