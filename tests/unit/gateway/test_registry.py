from __future__ import annotations

from typing import cast

from keepline.gateway.registry import Registry, folded
from keepline.gateway.session import Session


class FakeSession:
    def __init__(self, session_id: str, device_id: str = "device") -> None:
        self.session_id = session_id
        self.device_id = device_id
        self.claim = 0


def session(session_id: str, device_id: str = "device") -> Session:
    return cast("Session", FakeSession(session_id, device_id))


def test_a_session_is_found_by_its_device() -> None:
    registry, one = Registry(), session("s1", "d1")
    assert registry.claim(one) is None
    assert registry.by_device("d1") is one
    assert registry.by_device("d2") is None


def test_the_newest_claim_wins_and_the_former_holder_is_returned() -> None:
    registry, old, new = Registry(), session("s1"), session("s2")
    registry.claim(old)
    assert registry.claim(new) is old
    assert registry.by_device("device") is new
    assert len(registry) == 2  # the old one is still leaving
    assert set(registry) == {old, new}
    assert old in registry
    assert new in registry


def test_a_late_release_of_the_old_holder_leaves_the_new_one_alone() -> None:
    registry, old, new = Registry(), session("s1"), session("s2")
    registry.claim(old)
    registry.claim(new)
    assert registry.release(old) is False
    assert registry.by_device("device") is new
    assert list(registry) == [new]
    assert old not in registry


def test_capitals_make_no_other_device() -> None:
    registry, old, new = Registry(), session("s1", "ab:cd"), session("s2", "AB:cd")
    registry.claim(old)
    assert registry.claim(new) is old
    assert registry.by_device("ab:CD") is new
    assert registry.release(new) is True
    assert registry.by_device("ab:cd") is None


def test_an_id_without_capitals_is_kept_once() -> None:
    device_id = "ab:cd"
    assert folded(device_id) is device_id
    assert folded("AB") == "ab"


def test_releasing_is_idempotent() -> None:
    registry, one = Registry(), session("s1")
    registry.claim(one)
    assert registry.release(one) is True
    assert registry.release(one) is False
    assert len(registry) == 0
    assert registry.by_device("device") is None


def test_sessions_may_leave_while_somebody_iterates() -> None:
    registry = Registry()
    for number in range(10):
        registry.claim(session(f"s{number}", f"d{number}"))
    for one in registry:
        registry.release(one)
    assert len(registry) == 0


def test_after_a_crowd_has_left_its_memory_goes_and_the_rest_is_still_found() -> None:
    registry = Registry(shrink_below=16)
    crowd = [session(f"s{n}", f"d{n}") for n in range(2_000)]
    for one in crowd:
        registry.claim(one)
    full = registry._by_device.__sizeof__()
    for one in crowd[10:]:
        registry.release(one)
    assert registry._by_device.__sizeof__() < full / 10
    assert [registry.by_device(f"d{n}") for n in range(10)] == crowd[:10]
