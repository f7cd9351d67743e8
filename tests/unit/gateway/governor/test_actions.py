from __future__ import annotations

import pytest

from keepline.gateway.governor.actions import BY_WORD, CALM_S, SLACK, Action, Change, Ladder
from keepline.gateway.governor.signals import Signal
from keepline.settings.governor import ACTIONS


def pressed(**signals: float) -> dict[Signal, float]:
    return {signal: signals.get(signal.value, 0.0) for signal in Signal}


def all_at(pressure: float) -> dict[Action, float]:
    return dict.fromkeys(Action, pressure)


def words(ladder: Ladder) -> set[str]:
    return {action.word for action in ladder.taken}


@pytest.mark.parametrize(
    ("memory", "taken"),
    [
        (0.69, set()),
        (0.70, {"shrink"}),
        (0.85, {"shrink", "hold"}),
        (0.90, {"shrink", "hold", "shed"}),
        (0.95, {"shrink", "hold", "shed", "resumes_only"}),
        (0.98, {"shrink", "hold", "shed", "resumes_only", "none"}),
    ],
)
def test_the_more_a_node_is_pressed_the_more_is_done(memory: float, taken: set[str]) -> None:
    ladder = Ladder()
    ladder.decide(pressed(memory=memory), 0.0)
    assert words(ladder) == taken


@pytest.mark.parametrize(
    ("signal", "taken"),
    [
        ("lag", {"slow", "hold"}),
        ("standing", {"slow", "hold"}),
        ("queued", {"shrink", "hold", "shed", "resumes_only", "none"}),
        ("memory", {"shrink", "hold", "shed", "resumes_only", "none"}),
    ],
)
def test_an_action_answers_to_what_it_relieves_alone(signal: str, taken: set[str]) -> None:
    ladder = Ladder()
    ladder.decide(pressed(**{signal: 1.0}), 0.0)
    assert words(ladder) == taken


def test_an_action_grows_with_the_pressure() -> None:
    ladder = Ladder()
    for memory, strength in ((0.85, 0.0), (0.90, 0.5), (0.95, 1.0), (1.0, 1.0)):
        ladder.decide(pressed(memory=memory), 0.0)
        assert ladder.taken[Action.HOLD] == pytest.approx(strength)


def test_only_its_begin_and_its_end_are_changes() -> None:
    ladder = Ladder()
    assert ladder.decide(pressed(lag=0.95), 0.0, off={Action.SLOW}) == [
        Change(Action.HOLD, None, 1.0, "lag")
    ]
    assert ladder.decide(pressed(lag=0.9), 1.0, off={Action.SLOW}) == []
    assert ladder.decide(pressed(), 2.0, off={Action.SLOW}) == []
    assert ladder.decide(pressed(), 2.0 + CALM_S, off={Action.SLOW}) == [
        Change(Action.HOLD, 0.0, None, "calm")
    ]


def test_an_action_goes_on_until_it_has_been_calm_for_a_while() -> None:
    ladder = Ladder()
    below = Action.HOLD.low - SLACK - 0.01
    ladder.decide(pressed(lag=0.86), 0.0)
    for now, lag in ((1.0, 0.81), (9.0, 0.81), (10.0, below), (11.9, below), (12.0, 0.81)):
        ladder.decide(pressed(lag=lag), now)
        assert Action.HOLD in ladder.taken
    ladder.decide(pressed(lag=below), 13.0)
    ladder.decide(pressed(lag=below), 13.0 + CALM_S)
    assert Action.HOLD not in ladder.taken


def test_a_forced_pressure_takes_the_place_of_every_signal_at_once() -> None:
    ladder = Ladder()
    changes = ladder.decide(pressed(), 0.0, forced=all_at(0.96))
    assert words(ladder) == {"shrink", "slow", "hold", "shed", "resumes_only"}
    assert {change.reason for change in changes} == {"forced"}
    ladder.decide(pressed(memory=1.0), 0.1, forced=all_at(0.0))
    assert not ladder.taken


def test_what_is_forced_alone_leaves_the_others_to_the_signals() -> None:
    ladder = Ladder()
    changes = ladder.decide(pressed(memory=0.86), 0.0, forced={Action.SHED: 1.0, Action.HOLD: 0.0})
    assert changes == [
        Change(Action.SHRINK, None, 1.0, "memory"),
        Change(Action.SHED, None, 1.0, "forced"),
    ]


def test_what_is_released_ends_as_it_would_by_its_signals() -> None:
    ladder = Ladder()
    ladder.decide(pressed(), 0.0, forced={Action.SHED: 1.0})
    assert ladder.decide(pressed(), 0.1) == []
    assert ladder.taken == {Action.SHED: 0.0}
    assert ladder.decide(pressed(), 0.1 + CALM_S) == [Change(Action.SHED, 0.0, None, "calm")]


def test_what_is_switched_off_is_not_done_even_when_forced() -> None:
    ladder = Ladder()
    ladder.decide(pressed(memory=0.9), 0.0)
    [change] = ladder.decide(pressed(memory=0.9), 0.1, off={Action.SHED})
    assert change == Change(Action.SHED, 0.0, None, "switched off")
    ladder.decide(pressed(), 0.2, forced=all_at(1.0), off={Action.SHED})
    assert Action.SHED not in ladder.taken


def test_the_settings_know_every_action_by_its_word() -> None:
    assert tuple(BY_WORD) == ACTIONS
