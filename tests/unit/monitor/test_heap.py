from __future__ import annotations

from keepline.monitor.heap import CROWD, Heap, give_back


def test_it_is_due_once_when_half_of_a_crowd_has_left() -> None:
    heap = Heap()
    assert not heap.is_due(10 * CROWD)
    assert not heap.is_due(5 * CROWD + 1)
    assert heap.is_due(5 * CROWD)
    assert not heap.is_due(5 * CROWD)


def test_it_is_due_again_for_the_next_half() -> None:
    heap = Heap()
    heap.is_due(10 * CROWD)
    assert heap.is_due(5 * CROWD)
    assert heap.is_due(CROWD)


def test_a_few_sessions_are_not_worth_it() -> None:
    heap = Heap()
    heap.is_due(CROWD - 1)
    assert not heap.is_due(0)


def test_giving_back_harms_nothing_wherever_it_runs() -> None:
    kept = [str(number) for number in range(1_000)]
    give_back()
    assert kept[999] == "999"
