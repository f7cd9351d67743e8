from __future__ import annotations

from keepline.gateway.governor.batch import FIRST, LEAST, MOST, TURN_S, Batch


def test_it_grows_by_one_while_turns_are_short_and_all_of_it_is_used() -> None:
    batch = Batch()
    for _ in range(3):
        batch.note(TURN_S, used=batch.size)
    assert batch.size == FIRST + 3


def test_what_was_not_used_up_says_nothing_about_more() -> None:
    batch = Batch()
    batch.note(TURN_S / 2, used=batch.size - 1)
    assert batch.size == FIRST


def test_after_a_long_turn_it_is_what_would_have_fitted() -> None:
    batch = Batch()
    batch.note(TURN_S * 16 / 12, used=16)
    assert batch.size == 12


def test_one_very_long_turn_takes_half_at_the_most() -> None:
    batch = Batch()
    batch.note(TURN_S * 50, used=16)
    assert batch.size == 8


def test_a_turn_that_is_long_without_newcomers_changes_nothing() -> None:
    batch = Batch()
    batch.note(TURN_S * 50, used=FIRST // 2 - 1)
    assert batch.size == FIRST


def test_it_stays_within_its_bounds() -> None:
    batch = Batch()
    for _ in range(100):
        batch.note(TURN_S / 2, used=batch.size)
    assert batch.size == MOST
    for _ in range(100):
        batch.note(TURN_S * 2, used=batch.size)
    assert batch.size == LEAST
