from __future__ import annotations

from keepline.gateway.governor.room import PACE_S, Rank, Room


def room_of(*who: tuple[str, Rank, float], few: int = 0) -> Room[str]:
    room: Room[str] = Room(wait_s=5.0, few=few)
    for name, rank, at in who:
        room.enter(name, rank, at)
    return room


def crowd_of(count: int, rank: Rank = Rank.NEW, few: int = 0) -> Room[str]:
    return room_of(*((f"{rank.name}-{number}", rank, 0.0) for number in range(count)), few=few)


def all_of(room: Room[str]) -> list[str]:
    return [who for _ in range(len(room)) if (who := room.next()) is not None]


def test_who_was_in_a_conversation_comes_first_and_who_is_new_last() -> None:
    room = room_of(
        ("new", Rank.NEW, 0.0),
        ("known", Rank.KNOWN, 0.1),
        ("resuming", Rank.RESUMING, 0.2),
        ("talking", Rank.TALKING, 0.3),
    )
    assert all_of(room) == ["talking", "resuming", "known", "new"]
    assert room.next() is None


def test_of_one_rank_the_oldest_comes_first() -> None:
    assert all_of(crowd_of(3)) == ["NEW-0", "NEW-1", "NEW-2"]


def test_who_has_waited_too_long_is_given_up_whoever_it_is() -> None:
    room = room_of(("first", Rank.TALKING, 0.0), ("second", Rank.NEW, 0.1), few=9)
    assert list(room.in_vain(4.99)) == []
    assert list(room.in_vain(5.0)) == ["first"]
    assert list(room.in_vain(5.1)) == ["second"]
    assert not room


def test_as_many_stay_as_can_be_let_in_in_time_at_the_pace_of_late() -> None:
    room = crowd_of(100)
    for _ in range(10):  # ten in a second: fifty in five
        room.next()
    assert list(room.in_vain(PACE_S)) == [f"NEW-{number}" for number in range(99, 59, -1)]
    assert len(room) == 50
    assert list(room.in_vain(PACE_S + 0.1)) == []


def test_of_those_for_whom_there_is_no_time_the_last_rank_goes_first() -> None:
    room = crowd_of(10)
    room.enter("talking", Rank.TALKING, 0.5)
    room.enter("known", Rank.KNOWN, 0.5)
    room.next()
    assert len(list(room.in_vain(PACE_S))) == 6
    assert all_of(room) == ["known", "NEW-0", "NEW-1", "NEW-2", "NEW-3"]


def test_nobody_is_sent_away_before_the_pace_is_known() -> None:
    room = crowd_of(1_000)
    assert list(room.in_vain(PACE_S - 0.01)) == []


def test_the_pace_is_that_of_the_last_second() -> None:
    room = crowd_of(100)
    for _ in range(20):
        room.next()
    assert list(room.in_vain(1.0)) == []
    for _ in range(5):
        room.next()
    assert len(list(room.in_vain(2.0))) == 75 - 25


def test_a_few_stay_however_slowly_they_are_let_in() -> None:
    room = crowd_of(100, few=32)
    assert len(list(room.in_vain(1.0))) == 68
    assert len(room) == 32


def test_what_was_slow_is_forgotten_once_only_a_few_wait() -> None:
    room = crowd_of(40, few=2)
    list(room.in_vain(1.0))
    assert len(room) == 2
    for number in range(500):
        room.enter(f"later-{number}", Rank.NEW, 2.0)
    assert list(room.in_vain(2.5)) == []


def test_more_than_a_few_stand_from_when_they_are_more() -> None:
    room = room_of(("first", Rank.NEW, 0.0), few=2)
    for number in range(1, 40):
        room.enter(str(number), Rank.NEW, number / 10)
        assert room.next() is not None
        assert room.standing_s(number / 10) == 0
    room.enter("second", Rank.NEW, 4.0)
    room.enter("third", Rank.NEW, 4.5)
    assert room.standing_s(5.0) == 0.5


def test_who_leaves_is_not_let_in() -> None:
    room = room_of(("first", Rank.NEW, 0.0), ("second", Rank.NEW, 0.1))
    room.leave("first")
    room.leave("first")
    assert all_of(room) == ["second"]
