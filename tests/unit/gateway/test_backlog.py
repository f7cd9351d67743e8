from __future__ import annotations

from keepline.gateway.backlog import Backlog, Put


def backlog(audio: int = 2, control: int = 2, size_bytes: int = 100) -> Backlog[str]:
    return Backlog(audio_limit=audio, control_limit=control, bytes_limit=size_bytes)


def rest(queue: Backlog[str]) -> list[str]:
    return list(iter(queue.take, None))


def test_what_was_put_comes_out_in_order_whatever_its_class() -> None:
    queue = backlog()
    for item, audio in (("a1", True), ("c1", False), ("a2", True), ("c2", False)):
        assert queue.put(item, 1, audio=audio) is Put.KEPT
    assert len(queue) == 4
    assert rest(queue) == ["a1", "c1", "a2", "c2"]
    assert len(queue) == 0


def test_an_empty_backlog_gives_none() -> None:
    assert backlog().take() is None


def test_at_its_limit_the_oldest_audio_goes_and_the_newest_stays() -> None:
    queue = backlog(audio=2)
    for item in ("a1", "a2"):
        queue.put(item, 1, audio=True)
    assert queue.put("a3", 1, audio=True) is Put.DROPPED_AUDIO
    assert rest(queue) == ["a2", "a3"]


def test_dropping_audio_skips_the_control_in_front_of_it() -> None:
    queue = backlog(audio=1)
    queue.put("c1", 1, audio=False)
    queue.put("a1", 1, audio=True)
    assert queue.put("a2", 1, audio=True) is Put.DROPPED_AUDIO
    assert rest(queue) == ["c1", "a2"]


def test_control_is_never_dropped_but_refused_at_its_limit() -> None:
    queue = backlog(control=1)
    queue.put("c1", 1, audio=False)
    assert queue.put("c2", 1, audio=False) is Put.OVERFLOW
    assert rest(queue) == ["c1"]


def test_one_class_never_uses_up_the_room_of_the_other() -> None:
    queue = backlog(audio=1, control=1)
    queue.put("a1", 1, audio=True)
    queue.put("a2", 1, audio=True)
    assert queue.put("c1", 1, audio=False) is Put.KEPT
    assert queue.put("a3", 1, audio=True) is Put.DROPPED_AUDIO
    assert rest(queue) == ["c1", "a3"]


def test_room_comes_back_when_items_are_taken() -> None:
    queue = backlog(audio=1, control=1)
    queue.put("a1", 1, audio=True)
    queue.put("c1", 1, audio=False)
    queue.take()
    assert queue.put("a2", 1, audio=True) is Put.KEPT
    queue.take()
    assert queue.put("c2", 1, audio=False) is Put.KEPT


def test_audio_makes_room_for_what_would_be_too_many_bytes() -> None:
    queue = backlog(audio=9, size_bytes=10)
    queue.put("a1", 4, audio=True)
    queue.put("a2", 4, audio=True)
    assert queue.put("c1", 6, audio=False) is Put.DROPPED_AUDIO
    assert rest(queue) == ["a2", "c1"]


def test_control_beyond_the_bytes_is_refused() -> None:
    queue = backlog(size_bytes=10)
    assert queue.put("c1", 10, audio=False) is Put.KEPT
    assert queue.put("c2", 1, audio=False) is Put.OVERFLOW
    assert rest(queue) == ["c1"]


def test_audio_that_is_too_large_by_itself_is_dropped() -> None:
    queue = backlog(size_bytes=10)
    assert queue.put("a1", 11, audio=True) is Put.DROPPED_AUDIO
    assert rest(queue) == []


def test_bytes_come_back_when_items_are_taken() -> None:
    queue = backlog(size_bytes=10)
    queue.put("c1", 10, audio=False)
    queue.take()
    assert queue.put("c2", 10, audio=False) is Put.KEPT


def test_all_audio_can_be_given_up_at_once_and_leaves_its_room() -> None:
    queue = backlog(audio=2, size_bytes=10)
    for item, audio in (("a1", True), ("c1", False), ("a2", True)):
        queue.put(item, 3, audio=audio)
    assert queue.drop_audio() == 2
    assert queue.size_bytes == 3
    assert queue.drop_audio() == 0
    for item in ("a3", "a4"):
        assert queue.put(item, 3, audio=True) is Put.KEPT
    assert rest(queue) == ["c1", "a3", "a4"]


def test_what_is_no_audio_can_be_looked_at_in_order_and_stays() -> None:
    queue = backlog()
    for item, audio in (("c1", False), ("a1", True), ("c2", False)):
        queue.put(item, 1, audio=audio)
    assert queue.control() == ["c1", "c2"]
    assert len(queue) == 3
