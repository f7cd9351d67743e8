from __future__ import annotations

from keepline.gateway.governor.room import Rank, Room


def room_of(*who: tuple[str, Rank, float], few: int = 0) -> Room[str]:
    room: Room[str] = Room(wait_s=2.0, pressed_s=0.25, few=few)
    for name, rank, at in who:
        room.enter(name, rank, at)
    return room


def all_of(room: Room[str], now: float) -> list[str]:
    return [who for _ in range(len(room)) if (who := room.next(now)) is not None]


def test_who_was_in_a_conversation_comes_first_and_who_is_new_last() -> None:
    room = room_of(
        ("new", Rank.NEW, 0.0),
        ("known", Rank.KNOWN, 0.1),
        ("resuming", Rank.RESUMING, 0.2),
        ("talking", Rank.TALKING, 0.3),
    )
    assert all_of(room, 0.4) == ["talking", "resuming", "known", "new"]
    assert room.next(0.5) is None


def test_of_one_rank_the_oldest_comes_first() -> None:
    room = room_of(("first", Rank.NEW, 0.0), ("second", Rank.NEW, 0.1))
    assert all_of(room, 0.2) == ["first", "second"]


def test_once_there_is_always_somebody_the_newest_comes_first() -> None:
    room = room_of(("first", Rank.NEW, 0.0), ("second", Rank.NEW, 1.9))
    assert all_of(room, 2.0) == ["second", "first"]


def test_who_waits_too_long_is_given_up() -> None:
    room = room_of(("first", Rank.TALKING, 0.0), ("second", Rank.NEW, 0.1))
    assert list(room.too_late(1.9)) == []
    assert room.next(1.95) == "first"
    room.enter("third", Rank.NEW, 1.96)
    assert list(room.too_late(2.0)) == ["second"]  # now somebody is always there
    assert list(room.too_late(2.21)) == ["third"]
    assert not room


def test_patience_is_back_when_nobody_waits_any_more() -> None:
    room = room_of(("first", Rank.NEW, 0.0))
    assert room.standing_s(3.0) == 3.0
    assert list(room.too_late(3.0)) == ["first"]
    room.enter("second", Rank.NEW, 3.0)
    assert list(room.too_late(4.9)) == []
    assert room.standing_s(4.9) == 4.9 - 3.0


def test_who_leaves_is_not_let_in() -> None:
    room = room_of(("first", Rank.NEW, 0.0), ("second", Rank.NEW, 0.1))
    room.leave("first")
    room.leave("first")
    assert all_of(room, 0.2) == ["second"]


def test_a_few_that_are_always_there_press_nobody() -> None:
    room = room_of(("first", Rank.NEW, 0.0), few=2)
    for number in range(1, 40):
        room.enter(str(number), Rank.NEW, number / 10)
        assert room.next(number / 10) is not None
        assert room.standing_s(number / 10) == 0
    room.enter("second", Rank.NEW, 4.0)
    room.enter("third", Rank.NEW, 4.5)
    assert room.standing_s(5.0) == 0.5


def test_one_of_a_few_is_given_up_as_well_when_it_waits_too_long() -> None:
    room = room_of(("first", Rank.NEW, 0.0), few=2)
    assert list(room.too_late(2.0)) == ["first"]
