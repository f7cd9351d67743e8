from __future__ import annotations

from keepline.gateway.governor.limit import LEAST_SAMPLES, WINDOW_S, Limit


def judged(limit: Limit, took_s: float, *, at_once: int, windows: int, now: float = 0.0) -> float:
    """Have as many be judged as fill the windows; return the time after."""
    for _ in range(windows):
        for step in range(LEAST_SAMPLES):
            limit.note(took_s, at_once, now + WINDOW_S * step / (LEAST_SAMPLES - 1))
        now += 2 * WINDOW_S
    return now


def test_it_begins_with_the_least() -> None:
    assert Limit(20, 200).value == 20


def test_it_grows_to_the_most_while_judging_takes_no_longer() -> None:
    limit = Limit(20, 200)
    judged(limit, 0.002, at_once=200, windows=300)
    assert limit.value == 200


def test_it_stays_while_it_limits_nothing() -> None:
    limit = Limit(20, 200)
    judged(limit, 0.002, at_once=9, windows=50)
    assert limit.value == 20


def test_it_shrinks_when_judging_takes_longer_than_it_used_to() -> None:
    limit = Limit(20, 200)
    now = judged(limit, 0.010, at_once=200, windows=300)
    before = limit.value
    judged(limit, 0.060, at_once=200, windows=10, now=now)
    assert limit.value < before / 2


def test_it_never_falls_below_the_least() -> None:
    limit = Limit(20, 200)
    now = judged(limit, 0.010, at_once=200, windows=10)
    judged(limit, 5.0, at_once=200, windows=50, now=now)
    assert limit.value == 20


def test_it_grows_again_when_judging_was_slow_and_is_not_any_more() -> None:
    limit = Limit(20, 200)
    now = judged(limit, 0.010, at_once=200, windows=100)
    now = judged(limit, 0.500, at_once=200, windows=100, now=now)
    shrunk = limit.value
    judged(limit, 0.010, at_once=200, windows=300, now=now)
    assert limit.value > shrunk


def test_what_is_quick_anyway_tells_nothing() -> None:
    limit = Limit(20, 200)
    now = judged(limit, 0.0001, at_once=200, windows=100)
    before = limit.value
    judged(limit, 0.004, at_once=200, windows=10, now=now)
    assert limit.value >= before


def test_a_few_samples_are_not_learned_from() -> None:
    limit = Limit(20, 200)
    for number in range(LEAST_SAMPLES - 1):
        limit.note(9.0, 20, number)
    assert limit.value == 20


def test_the_most_may_be_below_the_least() -> None:
    assert Limit(20, 8).value == 8
