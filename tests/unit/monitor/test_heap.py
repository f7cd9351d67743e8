from __future__ import annotations

import gc
import weakref

from keepline.monitor.heap import AGAIN_S, CROWD, SETTLE_S, Heap, give_back, pace, settle


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
