from __future__ import annotations

from random import Random

import pytest

from keepline.monitor.capacity.fit import Cost, expecting, fit

EXPECTED = expecting(Cost(10.0, 5.0), Cost(2.0, 5.0))


def test_costs_are_found_in_sums_that_have_an_offset() -> None:
    counts = [(n, n * n % 7) for n in range(20)]
    sums = [100 + 30 * a + 4 * b for a, b in counts]
    first, second = fit(counts, sums, EXPECTED, noise=0.01).costs
    assert first.each == pytest.approx(30, rel=0.01)
    assert second.each == pytest.approx(4, rel=0.01)
    assert first.is_known(0.15)


def test_where_nothing_was_seen_or_nothing_varied_it_is_what_was_expected() -> None:
    assert fit([], [], EXPECTED, noise=1.0) == EXPECTED
    first, second = fit([(5, 1)] * 10, [7.0] * 10, EXPECTED, noise=1.0).costs
    assert (first.each, second.each) == (10, 2)
    assert not first.is_known(0.15)


def test_of_two_that_always_vary_together_the_sum_is_known_and_neither_by_itself() -> None:
    counts = [(n, 2 * n) for n in range(50)]
    found = fit(counts, [13.0 * n for n in range(50)], EXPECTED, noise=0.1)
    assert found.of((1, 2)).each == pytest.approx(13, rel=0.01)
    assert found.of((1, 2)).is_known(0.15)
    assert not any(cost.is_known(0.15) for cost in found.costs)


def test_noise_makes_a_cost_less_known_and_no_cost_negative() -> None:
    random = Random(3)
    counts = [(n % 5, n % 3) for n in range(60)]
    sums = [100 + random.gauss(0, 50) - 3 * a for a, _ in counts]
    for cost in fit(counts, sums, EXPECTED, noise=0.1).costs:
        assert cost.each >= 0
        assert cost.spread > 1
