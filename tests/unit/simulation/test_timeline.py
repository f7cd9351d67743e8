from __future__ import annotations

from keepline.simulation.timeline import BEGIN_S, Timeline


def test_what_is_due_happens_in_the_order_of_its_time() -> None:
    timeline = Timeline()
    seen: list[object] = []
    for when in (3.0, 1.0, 2.0):
        timeline.at(BEGIN_S + when, seen.append, when)
    assert timeline.run(BEGIN_S + 2.5, 100)
    assert seen == [1.0, 2.0]
    assert timeline.now == BEGIN_S + 2.5
    assert (timeline.steps, len(timeline)) == (2, 1)


def test_at_the_same_time_who_came_first_is_served_first() -> None:
    timeline = Timeline()
    seen: list[object] = []
    for name in "abc":
        timeline.at(BEGIN_S + 1, seen.append, name)
    timeline.run(BEGIN_S + 1, 100)
    assert seen == ["a", "b", "c"]


def test_it_stops_after_so_many_steps_and_goes_on_there() -> None:
    timeline = Timeline()
    seen: list[object] = []
    for name in "abc":
        timeline.at(BEGIN_S + 1, seen.append, name)
    assert not timeline.run(BEGIN_S + 1, 2)
    assert timeline.run(BEGIN_S + 1, 2)
    assert seen == ["a", "b", "c"]


def test_an_interruption_comes_before_everything_else() -> None:
    timeline = Timeline()
    seen: list[object] = []
    timeline.at(BEGIN_S, seen.append, "waits")
    timeline.interrupt(lambda _: seen.append("interrupts"))
    timeline.run(BEGIN_S, 100)
    assert seen == ["interrupts", "waits"]
