from __future__ import annotations

from math import inf
from random import Random

from keepline.simulation.faults import OF_THE_HOST, Fault, Mixture, drawn_mixture


def test_each_seed_has_a_mixture_of_its_own() -> None:
    mixtures = [drawn_mixture(Random(seed), 1.0) for seed in range(50)]
    assert len({frozenset(mixture.weights) for mixture in mixtures}) > 40
    assert set().union(*(mixture.weights for mixture in mixtures)) == set(Fault)


def test_faults_come_as_often_as_they_are_to_be_expected() -> None:
    mixture, random = drawn_mixture(Random(1), 2.0), Random(1)
    waits_s = [mixture.next_s(random, 10) for _ in range(4_000)]
    assert 170 < sum(waits_s) / len(waits_s) < 190  # 20 an hour
    assert Mixture({}, 1.0).next_s(random, 10) == inf


def test_most_faults_are_of_a_device_and_a_few_of_the_machine() -> None:
    mixture, random = Mixture(dict.fromkeys(Fault, 1.0), 1.0), Random(1)
    drawn = [mixture.draw(random) for _ in range(4_000)]
    of_host = sum(fault in OF_THE_HOST for fault in drawn)
    assert 40 < of_host < 140
    assert Mixture({Fault.KILL: 1.0}, 1.0).draw(Random(1)) is None  # a device's was to be drawn
