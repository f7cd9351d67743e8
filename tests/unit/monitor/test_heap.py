from __future__ import annotations

import gc
import weakref

from keepline.monitor.heap import (
    AGAIN_S,
    BURST_BYTES,
    CROWD,
    FIRST_TRY,
    MOST_TRIES_APART,
    SETTLE_S,
    TALKERS,
    Heap,
    give_back,
    pace,
    settle,
)


def answers(heap: Heap, sessions: int, times: int = 10) -> list[bool]:
    return [heap.is_due(sessions) for _ in range(times)]


def test_it_is_due_a_little_after_half_of_a_crowd_has_left_and_once_more_later() -> None:
    heap = Heap()
    assert not any(answers(heap, 10 * CROWD))
    assert not any(answers(heap, 5 * CROWD + 1))
    due = answers(heap, 5 * CROWD, times=20)
    assert [second for second, is_due in enumerate(due) if is_due] == [SETTLE_S, AGAIN_S]


def test_it_is_due_again_for_the_next_half() -> None:
    heap = Heap()
    answers(heap, 10 * CROWD)
    assert any(answers(heap, 5 * CROWD))
    assert any(answers(heap, CROWD))


def test_who_leaves_meanwhile_puts_it_off() -> None:
    heap = Heap()
    answers(heap, 10 * CROWD)
    assert not any(answers(heap, 5 * CROWD, times=2))
    assert answers(heap, CROWD).index(True) == SETTLE_S


def test_a_few_sessions_are_not_worth_it() -> None:
    heap = Heap()
    answers(heap, CROWD - 1)
    assert not any(answers(heap, 0))


def test_each_crowd_that_comes_is_noticed_once() -> None:
    heap = Heap()
    assert not heap.has_grown(CROWD - 1)
    assert heap.has_grown(CROWD)
    assert not heap.has_grown(2 * CROWD - 1)
    assert heap.has_grown(2 * CROWD)


def test_who_comes_back_after_leaving_is_noticed_again() -> None:
    heap = Heap()
    heap.has_grown(2 * CROWD)
    assert not heap.has_grown(CROWD)
    assert heap.has_grown(2 * CROWD)


class Cycle:
    """Garbage that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_that_was_settled_is_collected_when_the_crowd_has_left() -> None:
    garbage = weakref.ref(Cycle())
    settle()
    gc.collect()
    assert garbage() is not None
    give_back(CROWD)
    assert garbage() is not None
    give_back(0)
    assert garbage() is None
    gc.unfreeze()


def test_the_collector_is_paced_for_crowds_on_their_way_in() -> None:
    before = gc.get_threshold()
    try:
        pace()
        assert gc.get_threshold()[0] > 200 * 30
    finally:
        gc.set_threshold(*before)


def tries(heap: Heap, memory_bytes: float, samples: int, talking: float = 0) -> list[int]:
    """Return after which samples it is tried to give something back."""
    found = []
    for number in range(1, samples + 1):
        heap.see_memory(memory_bytes, talking)
        if heap.is_due(5):
            found.append(number)
    return found


def test_what_a_burst_has_needed_is_given_back_when_it_can_be_and_tried_ever_later() -> None:
    heap = Heap()
    assert tries(heap, BURST_BYTES, 10) == []
    assert tries(heap, 2 * BURST_BYTES - 1, 10) == []
    assert tries(heap, 3 * BURST_BYTES, 31) == [FIRST_TRY, 6, 14, 30]
    assert tries(heap, BURST_BYTES, 10) == []
    assert tries(heap, 3 * BURST_BYTES, 3) == [FIRST_TRY]


def test_memory_that_stays_in_use_is_looked_for_every_ten_minutes_at_most() -> None:
    heap = Heap()
    heap.see_memory(0, 0)
    found = tries(heap, 2 * BURST_BYTES, 1_000)
    assert {b - a for a, b in zip(found[-4:], found[-3:], strict=False)} == {MOST_TRIES_APART}


def test_it_is_tried_at_once_when_half_of_those_who_talked_have_fallen_silent() -> None:
    heap = Heap()
    heap.see_memory(0, 0)
    assert tries(heap, 3 * BURST_BYTES, 20, talking=5_000) == [FIRST_TRY, 6, 14]
    assert tries(heap, 3 * BURST_BYTES, 5, talking=2_501) == []
    assert tries(heap, 3 * BURST_BYTES, 8, talking=2_500) == [1, 3, 7]
    assert tries(heap, 3 * BURST_BYTES, 1, talking=1_250) == [1]
    assert tries(heap, BURST_BYTES / 2, 5, talking=0) == []


def test_a_few_who_fall_silent_are_not_worth_it() -> None:
    heap = Heap()
    heap.see_memory(0, 0)
    tries(heap, 3 * BURST_BYTES, 2, talking=TALKERS - 1)
    assert tries(heap, 3 * BURST_BYTES, 3, talking=0) == []
