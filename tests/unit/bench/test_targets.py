"""Verdicts over made-up readings."""

from __future__ import annotations

from bench.load.attack import KINDS
from bench.plan import FULL, QUICK
from bench.readings import Measured, Reading, Results
from bench.targets import Look, Target, targets, verdict

FIGURES = ("good_p99", "join_p95", "grown")


def results(**figures: dict[str, float]) -> Results:
    """By candidate, what each of its figures read."""
    return {
        name: Measured({figure: Reading("", [value]) for figure, value in values.items()})
        for name, values in figures.items()
    }


def row(words: str) -> Target:
    (found,) = [target for target in targets(FULL) if words in target.what]
    return found


def test_a_session_of_two_and_a_half_kib_is_just_small_enough() -> None:
    assert verdict(row("RSS"), results(keepline={"rss_15000": 2.5})) is True
    assert verdict(row("RSS"), results(keepline={"rss_15000": 2.51})) is False


def test_a_ping_must_be_near_the_floor_and_far_below_websockets() -> None:
    def judged(ours: float, floor: float, websockets: float) -> bool | None:
        figure = "ping_15000"
        return verdict(
            row("ping"),
            results(
                keepline={figure: ours}, floor={figure: floor}, websockets={figure: websockets}
            ),
        )

    assert judged(9.6, 8, 40) is True
    assert judged(9.7, 8, 40) is False
    assert judged(9.6, 8, 38) is False


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert verdict(row("ping"), results(keepline={"ping_15000": 1.0})) is None
    assert verdict(row("RSS"), {}) is None


def test_the_worst_of_all_repeats_decides_on_waiting() -> None:
    measured = {"keepline": Measured({"rtt_max": Reading("ms", [1.0, 11.0, 2.0])})}

    assert verdict(row("worst wait"), measured) is False


def test_the_worst_attack_decides() -> None:
    def judged(words: str, **figures: float) -> bool | None:
        calm = {f"{figure}_{kind}": 1.0 for figure in FIGURES for kind in KINDS}
        return verdict(row(words), results(keepline=calm | {"good_p99_quiet": 1.0} | figures))

    assert judged("round trip while one attacks", good_p99_ping=3.0) is True
    assert judged("round trip while one attacks", good_p99_ping=3.1) is False
    assert judged("round trip while one attacks", good_p99_ping=5.1, good_p99_quiet=5) is False
    assert judged("joins", join_p95_connect=20.0) is True
    assert judged("joins", join_p95_connect=20.1) is False
    assert judged("memory of one", grown_unread=2.1) is False


def test_growth_is_the_worst_of_memory_ping_and_accept() -> None:
    figures = {
        "rss_1000": 2.0,
        "rss_15000": 2.0,
        "ping_1000": 10.0,
        "ping_15000": 8.0,
        "accept_us": 50.0,
        "accept_fleet_us": 60.0,
    }
    target = row("growth")

    assert target.value(Look(results(keepline=figures)), "keepline") == 1.2
    assert verdict(target, results(keepline=figures)) is False


def test_a_smoke_run_has_no_growth_to_judge() -> None:
    assert not [target for target in targets(QUICK) if "growth" in target.what]
