"""What grows so that it goes on growing, and when it ends."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from keepline.monitor.rules.growth import REACH, Growth, growth
from keepline.monitor.sample import Series


def series(of: Callable[[int], float], count: int = 60, noise: float = 1.0) -> Series:
    chance = random.Random(3)
    return Series(
        [5.0 * number for number in range(count)],
        [of(number) + chance.gauss(0, noise) for number in range(count)],
    )


@pytest.mark.parametrize(
    ("of", "grows"),
    [
        (lambda _: 100.0, False),
        (lambda at: 100.0 + at, True),
        (lambda at: 100.0 - at, False),
        (lambda at: 100.0 if at < 30 else 150.0, False),
        (lambda at: 100.0 if at < 15 else 150.0, False),
        (lambda at: 100.0 if at < 45 else 150.0, False),
        (lambda at: 100.0 + min(50, 5 * max(0, at - 20)), False),
        (lambda at: 100.0 + 20 * (at % 20) / 20, False),
        (lambda at: 100.0 + 0.03 * at**2, True),
        (lambda at: 100.0 + 20 * min(1.0, at / 30), False),
    ],
    ids=[
        *("flat", "leak", "falls", "step", "early step", "late step", "short rise", "sawtooth"),
        *("grows faster and faster", "has stopped"),
    ],
)
def test_growth_is_told_from_what_only_looks_like_it(
    of: Callable[[int], float], *, grows: bool
) -> None:
    found = growth(series(of))
    assert found is not None
    assert (found.slope > 0) is grows


def test_a_step_is_no_growth_wherever_it_stands() -> None:
    found = [growth(series(lambda at, to=to: 50.0 * (at >= to))) for to in range(6, 54)]  # type: ignore[misc]
    assert [each for each in found if each is None or each.slope] == []


def test_a_short_series_says_nothing() -> None:
    assert growth(series(float, count=9)) is None


@pytest.mark.parametrize(
    ("slope", "latest", "limit", "expected"),
    [
        (1.0, 100.0, 200.0, 100.0),
        (1.0, 300.0, 200.0, 0.0),
        (0.0, 100.0, 200.0, None),
        (1.0, 0.0, 300.0 * REACH, 300.0 * REACH),
        (1.0, 0.0, 300.0 * REACH + 1, None),
        (1.0, 0.0, float("inf"), None),
    ],
    ids=["left", "over", "flat", "just in reach", "too far off", "no limit known"],
)
def test_an_end_is_told_as_far_as_the_series_reaches(
    slope: float, latest: float, limit: float, expected: float | None
) -> None:
    assert Growth(slope, latest, span_s=300.0).exhausted_in_s(limit) == expected
