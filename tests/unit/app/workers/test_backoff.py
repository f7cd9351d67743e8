from __future__ import annotations

from keepline.app.workers.backoff import FIRST_S, GOOD_LIFE_S, LONGEST_S, Backoff


def test_each_short_life_doubles_the_wait_up_to_its_limit() -> None:
    backoff = Backoff()
    waits = [backoff.after(1.0) for _ in range(12)]
    assert waits[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert waits[-1] == LONGEST_S


def test_after_a_good_life_the_next_begins_at_once_again() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after(1.0)
    assert backoff.after(GOOD_LIFE_S) == FIRST_S
    assert backoff.after(1.0) == 2 * FIRST_S
