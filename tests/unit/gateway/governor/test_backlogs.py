from __future__ import annotations

from keepline.gateway.backlog import Backlog
from keepline.gateway.governor.backlogs import Backlogs


def a_queue() -> Backlog[bytes]:
    return Backlog(audio_limit=10, control_limit=10, bytes_limit=1_000)


def test_each_has_its_turn_before_one_has_it_again() -> None:
    backlogs, queues = Backlogs(), [a_queue() for _ in range(7)]
    for queue in queues:
        backlogs.add(queue)
    for _ in range(2):
        parts = [backlogs.part(3) for _ in range(3)]
        assert [len(part) for part in parts] == [3, 3, 1]
        assert {id(each) for part in parts for each in part} == set(map(id, queues))


def test_who_is_gone_is_kept_by_nobody_and_passed_over() -> None:
    backlogs, queues = Backlogs(), [a_queue() for _ in range(7)]
    for queue in queues:
        backlogs.add(queue)
    first = backlogs.part(1)
    stays = next(queue for queue in queues if queue is not first[0])
    queues.clear()
    first.clear()
    del queue
    assert len(backlogs) == 1
    assert backlogs.part(3) == [stays]


def test_who_comes_while_a_round_is_under_way_has_its_turn_in_the_next() -> None:
    backlogs, queues = Backlogs(), [a_queue() for _ in range(4)]
    for queue in queues[:3]:
        backlogs.add(queue)
    backlogs.part(2)
    backlogs.add(queues[3])
    assert len(backlogs.part(2)) == 1
    assert len(backlogs.part(4)) == 4


def test_where_there_are_none_there_is_no_part() -> None:
    assert Backlogs().part(3) == []
