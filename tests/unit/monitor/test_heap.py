from __future__ import annotations

from keepline.monitor.heap import CROWD, SETTLE_S, Heap, give_back


def answers(heap: Heap, sessions: int, times: int = 10) -> list[bool]:
    return [heap.is_due(sessions) for _ in range(times)]


def test_it_is_due_once_a_little_after_half_of_a_crowd_has_left() -> None:
    heap = Heap()
    assert not any(answers(heap, 10 * CROWD))
    assert not any(answers(heap, 5 * CROWD + 1))
    due = answers(heap, 5 * CROWD)
    assert due.index(True) == SETTLE_S
    assert due.count(True) == 1


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


def test_giving_back_harms_nothing_wherever_it_runs() -> None:
    kept = [str(number) for number in range(1_000)]
    give_back()
    assert kept[999] == "999"
