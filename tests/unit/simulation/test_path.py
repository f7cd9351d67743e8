from __future__ import annotations

from math import inf
from random import Random

from keepline.simulation.path import Conditions, Path
from keepline.simulation.timeline import BEGIN_S, Timeline


def test_a_path_is_as_it_was_when_its_trouble_is_over() -> None:
    timeline = Timeline()
    path = Path(timeline, Random(1), Conditions(0.1, 0.0))
    path.change(Conditions(0.1, 3.0), BEGIN_S + 10.0)
    path.change(Conditions(0.1, 0.0, 0.5), BEGIN_S + 20.0)
    timeline.run(BEGIN_S + 30.0, 100)
    assert path.conditions == Conditions(0.1, 0.0)
    assert path.takes_s() == 0.1
    assert path.troubled_at > BEGIN_S


def test_loss_delays_by_what_tcp_waits_before_it_sends_again() -> None:
    path = Path(Timeline(), Random(1), Conditions(0.1, 0.0, 0.5))
    assert {round(path.takes_s(), 1) for _ in range(100)} >= {0.1, 0.3, 0.7}
    assert path.conditions.most_s == inf


def test_who_waits_is_told_when_both_ways_are_open() -> None:
    timeline, told = Timeline(), []
    path = Path(timeline, Random(1), Conditions())
    path.block("up", BEGIN_S + 1.0)
    path.block("down", BEGIN_S + 2.0)
    path.waiting[lambda: told.append(timeline.now)] = None
    timeline.run(BEGIN_S + 5.0, 100)
    assert told == [BEGIN_S + 2.0]


def test_a_path_that_is_calmed_is_whole_at_once() -> None:
    path = Path(Timeline(), Random(1), Conditions(0.1, 0.0))
    path.block("up", BEGIN_S + 100.0)
    path.calm()
    assert path.is_whole
    assert path.conditions == Conditions(0.1, 0.0)
