from __future__ import annotations

from keepline.monitor.alerts.silences import MOST, Silences


def test_an_empty_side_stands_for_all() -> None:
    silences = Silences()
    silences.add("memory_bytes", "", 0.0, 10.0)
    silences.add("", "incident", 0.0, 10.0)
    assert silences.cover("memory_bytes", "trend", 5.0)
    assert silences.cover("leak", "incident", 5.0)
    assert not silences.cover("cpu_percent", "trend", 5.0)


def test_a_silence_ends_by_itself_and_makes_room() -> None:
    silences = Silences()
    for _ in range(MOST):
        assert silences.add("", "", 0.0, 10.0) is not None
    assert silences.add("", "", 9.0, 10.0) is None
    later = silences.add("", "", 10.0, 10.0)
    assert later is not None
    assert silences.at(15.0) == (later,)


def test_what_is_not_there_cannot_be_lifted() -> None:
    silences = Silences()
    made = silences.add("", "", 0.0, 10.0)
    assert made is not None
    assert silences.lift(made.number)
    assert not silences.lift(made.number)
    assert not silences.cover("", "", 1.0)
