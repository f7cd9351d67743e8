from __future__ import annotations

from typing import Any

import pytest

from keepline.gateway.flapping import kicks as kicks_module
from keepline.gateway.flapping.kicks import MOST_TAKEOVERS, Kicks
from keepline.gateway.identity import Identity
from keepline.settings.flapping import Flapping

HOLD_S = Flapping().kick_hold_s
HOME = "192.0.2.7"


class Stand:
    """A session, as far as it is looked at."""

    def __init__(self, client_id: str, address: str = HOME, device_id: str = "ab") -> None:
        self.device_id = device_id
        self.client_id = client_id
        self.connection: Any = self
        self.address = address


A, B = Stand("a"), Stand("b")


def fought(kicks: Kicks, times: int, *, every_s: float = 1.0, now: float = 0.0) -> list[Any]:
    """A has the device; B takes it, A takes it back, and so on."""
    holder, other, wars = A, B, []
    for n in range(times):
        war = kicks.note(other, holder, now + n * every_s)  # type: ignore[arg-type]
        if war is not None:
            wars.append(war)
        holder, other = other, holder
    return wars


@pytest.mark.parametrize(("takeovers", "wars"), [(3, 0), (4, 0), (5, 1)])
def test_more_than_three_mutual_kicks_within_a_minute_are_a_war(takeovers: int, wars: int) -> None:
    kicks = Kicks(Flapping())
    found = fought(kicks, takeovers)
    assert len(found) == wars
    if found:
        assert found[0].kicks == 4
        assert found[0].until == found[0].since + HOLD_S


@pytest.mark.parametrize(("every_s", "wars"), [(20.0, 1), (20.1, 0), (30.0, 0)])
def test_kicks_that_are_further_apart_are_none(every_s: float, wars: int) -> None:
    # The first of four mutual kicks and the last are three times `every_s` apart.
    assert bool(fought(Kicks(Flapping()), 5, every_s=every_s)) is bool(wars)


def test_a_device_that_restarts_often_is_at_war_with_nobody() -> None:
    kicks = Kicks(Flapping())
    for n in range(1_000):
        assert kicks.note(Stand("a"), Stand("a"), n * 0.1) is None  # type: ignore[arg-type]
    assert len(kicks) == 0


def test_one_takeover_after_another_by_somebody_new_is_no_war() -> None:
    kicks = Kicks(Flapping())
    for n in range(MOST_TAKEOVERS):
        newer, older = Stand(f"c{n + 1}"), Stand(f"c{n}")
        assert kicks.note(newer, older, n * 0.1) is None  # type: ignore[arg-type]


def test_a_device_that_ever_another_takes_without_end_is_fought_about_and_no_more_is_kept() -> None:
    kicks = Kicks(Flapping())
    wars = []
    for n in range(10 * (MOST_TAKEOVERS + 1)):
        newer: Any = Stand(f"c{n + 1}")
        if kicks.holding_off(Identity("ab", newer.client_id), HOME, Stand("holder")):  # type: ignore[arg-type]
            continue
        war = kicks.note(newer, Stand(f"c{n}"), n * 0.1)  # type: ignore[arg-type]
        wars += [] if war is None else [war]
        assert len(kicks._kicks.get("ab", ())) <= MOST_TAKEOVERS
    assert [war.kicks for war in wars] == [MOST_TAKEOVERS + 1]


def test_takeovers_that_are_far_enough_apart_are_no_war_however_many() -> None:
    kicks = Kicks(Flapping())
    for n in range(200):
        newer, older = Stand(f"c{n + 1}"), Stand(f"c{n}")
        assert kicks.note(newer, older, n * 2.0) is None  # type: ignore[arg-type]


def test_in_a_war_who_holds_the_device_keeps_it_and_may_come_back() -> None:
    kicks = Kicks(Flapping())
    fought(kicks, 5)
    holder: Any = B
    for address in ("192.0.2.7", "192.0.2.8"):
        newcomer = kicks.holding_off(Identity("AB", "a"), address, holder)
        assert newcomer is not None
    assert kicks.holding_off(Identity("ab", "b"), "192.0.2.7", holder) is None
    assert kicks.holding_off(Identity("ab", "a"), "192.0.2.7", None) is None
    assert kicks.holding_off(Identity("other", "a"), "192.0.2.7", holder) is None


def test_a_war_is_over_by_itself() -> None:
    kicks = Kicks(Flapping())
    (war,) = fought(kicks, 5)
    assert len(kicks) == 1  # what led to it is forgotten
    assert kicks.settle(war.until - 0.1) == []
    assert kicks.settle(war.until) == [war]
    assert len(kicks) == 0


def test_a_war_can_be_lifted() -> None:
    kicks = Kicks(Flapping())
    fought(kicks, 5)
    assert kicks.lift("AB")
    assert not kicks.lift("AB")
    assert kicks.holding_off(Identity("ab", "a"), "192.0.2.7", A) is None  # type: ignore[arg-type]


def test_kicks_are_forgotten_after_their_time() -> None:
    kicks = Kicks(Flapping())
    fought(kicks, 2)
    kicks.settle(61.0)
    assert len(kicks) == 1
    kicks.settle(61.1)
    assert len(kicks) == 0


def test_it_keeps_no_more_devices_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kicks_module, "MOST_AT_ODDS", 10)
    kicks = Kicks(Flapping())
    for n in range(50):
        newer, older = Stand("a", device_id=f"d{n}"), Stand("b", device_id=f"d{n}")
        kicks.note(newer, older, 0.0)  # type: ignore[arg-type]
    assert len(kicks) == 10


def test_it_keeps_no_more_wars_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kicks_module, "MOST_AT_ODDS", 10)
    kicks = Kicks(Flapping())
    for n in range(50):
        one, other = Stand("a", device_id=f"d{n}"), Stand("b", device_id=f"d{n}")
        for _ in range(3):
            kicks.note(other, one, 0.0)  # type: ignore[arg-type]
            kicks.note(one, other, 0.0)  # type: ignore[arg-type]
    assert list(kicks.wars) == [f"d{n}" for n in range(40, 50)]
