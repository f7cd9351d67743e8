from __future__ import annotations

import pytest

from keepline.gateway.flapping import ladder as ladder_module
from keepline.gateway.flapping.ladder import Ladder, Rungs, Step
from keepline.settings.flapping import SHORTEST_SHARE, Flapping

CALM_S = 5.0
BAN_S = 300.0


def made(delay: int = 10, deny: int = 20, ban: int = 40) -> Ladder:
    return Ladder(Rungs(delay, deny, ban, CALM_S, BAN_S))


def heated(ladder: Ladder, times: int, now: float = 0.0) -> list[Step]:
    """Heat one key that often at once; return the steps it has come to."""
    reached = []
    for _ in range(times):
        standing = ladder.heat("key", now)
        if standing is not None:
            assert standing.step is not None
            reached.append(standing.step)
    return reached


def steps(ladder: Ladder) -> list[Step | None]:
    return [standing.step for standing in ladder.held.values()]


@pytest.mark.parametrize(
    ("times", "reached"),
    [
        (10, []),
        (11, [Step.DELAYED]),
        (20, [Step.DELAYED]),
        (21, [Step.DELAYED, Step.DENIED]),
        (40, [Step.DELAYED, Step.DENIED]),
        (41, [Step.DELAYED, Step.DENIED, Step.BANNED]),
        (500, [Step.DELAYED, Step.DENIED, Step.BANNED]),
    ],
)
def test_each_step_is_reached_above_its_limit_and_told_once(
    times: int, reached: list[Step]
) -> None:
    assert heated(made(), times) == reached


@pytest.mark.parametrize("every_s", [CALM_S, 10.0, 60.0])
def test_one_that_retries_at_a_fixed_pace_is_never_held(every_s: float) -> None:
    ladder = made()
    for n in range(10_000):
        assert ladder.heat("key", n * every_s) is None
        ladder.settle(n * every_s)
    assert not ladder.held


def test_one_that_backs_off_is_never_held() -> None:
    ladder, now, wait_s = made(), 0.0, 0.5
    for _ in range(50):
        assert ladder.heat("key", now) is None
        now += wait_s
        wait_s = min(120.0, 2 * wait_s)
    assert not ladder.held


def test_it_is_let_down_and_let_go_by_itself() -> None:
    ladder = made()
    heated(ladder, 25)
    assert steps(ladder) == [Step.DENIED]
    assert ladder.settle(CALM_S * 5 - 0.1) == []
    assert steps(ladder) == [Step.DENIED]
    assert ladder.settle(CALM_S * 5 + 0.1) == []
    assert steps(ladder) == [Step.DELAYED]
    assert ladder.settle(CALM_S * 20 - 0.1) == []
    (released,) = ladder.settle(CALM_S * 20 + 0.1)
    assert released.key == "key"
    assert len(ladder) == 0


def test_a_ban_ends_at_its_time_whatever_comes_meanwhile() -> None:
    ladder = made()
    heated(ladder, 41)
    assert ladder.wait_s(ladder.held["key"], 100.0) == BAN_S - 100.0
    assert heated(ladder, 1_000, now=100.0) == []
    assert ladder.settle(BAN_S - 0.1) == []
    assert len(ladder.settle(BAN_S)) == 1
    assert heated(ladder, 10, now=BAN_S) == []  # it begins anew


def test_what_is_denied_is_told_how_long_it_takes_to_calm_down() -> None:
    ladder = made()
    heated(ladder, 24)
    assert ladder.wait_s(ladder.held["key"], 0.0) == pytest.approx(4 * CALM_S)
    assert ladder.wait_s(ladder.held["key"], 5.0) == pytest.approx(3 * CALM_S)


@pytest.mark.parametrize("life_s", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("spread", [SHORTEST_SHARE, 1.0])
def test_a_device_that_waits_as_long_as_it_is_held_is_never_denied(
    life_s: float, spread: float
) -> None:
    settings = Flapping()
    ladder, now = made(), 0.0
    for _ in range(2_000):
        held = ladder.held.get("key")
        if held is not None:
            now += ladder.share(held, now) * spread * settings.delay_s
        now += life_s
        standing = ladder.heat("key", now)
        assert standing is None or standing.step is Step.DELAYED


def test_a_lighter_life_heats_less() -> None:
    ladder = made()
    for _ in range(40):
        assert ladder.heat("key", 0.0, 0.25) is None
    standing = ladder.heat("key", 0.0, 0.25)
    assert standing is not None
    assert standing.step is Step.DELAYED


def test_who_has_calmed_down_is_forgotten() -> None:
    ladder = made()
    for n in range(3_000):
        ladder.heat(f"key-{n}", 0.0)
    assert len(ladder) == 3_000
    ladder.settle(CALM_S)
    assert len(ladder) == 0


@pytest.mark.parametrize(("keys", "kept"), [(99, 99), (100, 100), (101, 100), (1_000, 100)])
def test_it_keeps_no_more_keys_than_its_limit(
    keys: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder_module, "MOST_CLIMBING", 100)
    ladder = made()
    heated(ladder, 41)
    for n in range(keys):
        ladder.heat(f"key-{n}", 0.0)
    assert len(ladder) == kept + 1
    assert ladder.held["key"].step is Step.BANNED  # a flood of keys sets nobody free


@pytest.mark.parametrize(("keys", "held"), [(10, 10), (11, 10)])
def test_it_holds_no_more_than_its_limit(
    keys: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder_module, "MOST_HELD", 10)
    ladder = made(delay=1)
    for n in range(keys):
        ladder.heat(f"key-{n}", 0.0)
        ladder.heat(f"key-{n}", 0.0)
    assert len(ladder.held) == held


def test_what_is_lifted_begins_anew() -> None:
    ladder = made()
    heated(ladder, 41)
    assert ladder.lift("key")
    assert not ladder.lift("key")
    assert heated(ladder, 10) == []
