from __future__ import annotations

from keepline.gateway.governor.recent import Recent


def test_nobody_is_known_before_somebody_has_left() -> None:
    recent = Recent(1_000, 600.0)
    assert not recent.is_known("device-1")
    assert not recent.is_within_window("device-1", 0.0)


def test_who_has_left_is_resumed_within_the_window_and_known_after_it() -> None:
    recent = Recent(1_000, 600.0)
    recent.left("device-1", 1_000.0, talking=False)
    assert recent.is_within_window("device-1", 1_599.0)
    assert not recent.is_within_window("device-1", 1_601.0)
    assert recent.is_known("device-1")
    assert not recent.is_known("device-2")


def test_whether_a_conversation_has_broken_off_is_remembered() -> None:
    recent = Recent(1_000, 600.0)
    recent.left("device-1", 0.0, talking=True)
    recent.left("device-2", 0.0, talking=False)
    assert recent.was_talking("device-1")
    assert not recent.was_talking("device-2")
    recent.left("device-1", 1.0, talking=False)
    assert not recent.was_talking("device-1")


def test_most_of_a_whole_fleet_is_remembered() -> None:
    recent = Recent(4_000, 600.0)
    for number in range(4_000):
        recent.left(f"device-{number}", 0.0, talking=False)
    known = sum(recent.is_known(f"device-{number}") for number in range(4_000))
    assert known > 2_800  # about one in four shares its place with a later one


def test_who_is_recalled_is_resumed_for_the_rest_of_its_window() -> None:
    recent = Recent(1_000, 600.0)
    recent.recall([("device-1", 0.0), ("device-2", 500.0), ("device-3", 5_000.0)], 1_000.0)
    assert recent.is_within_window("device-1", 1_600.0)
    assert not recent.is_within_window("device-1", 1_601.0)
    assert recent.is_within_window("device-2", 1_100.0)
    assert not recent.is_within_window("device-2", 1_101.0)
    assert not recent.is_within_window("device-3", 1_000.0)
    assert recent.is_known("device-3")
    assert not recent.was_talking("device-1")


def test_who_was_away_longer_takes_nobodys_place() -> None:
    recent = Recent(1, 600.0)  # of two places
    recent.left("device-1", 1_000.0, talking=True)
    recent.recall([(f"device-{number}", 1.0) for number in range(2, 50)], 1_000.0)
    assert recent.was_talking("device-1")
    recent.recall([(f"device-{number}", 0.0) for number in range(2, 50)], 1_001.0)
    assert not recent.is_known("device-1")
