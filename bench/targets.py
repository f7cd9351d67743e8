"""The design's targets, each judged against what was measured in the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.candidates import FLOOR, KEEPLINE, WEBSOCKETS
from bench.load.attack import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.plan import Plan
    from bench.readings import Reading, Results

FLAT = 1.15  # a growth up to here is the spread of two equal measurements


class NotMeasuredError(Exception):
    """A figure that was asked for was not measured in this run."""


class Look:
    """The readings of a run, as targets ask for them. All raise NotMeasuredError."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def reading(self, figure: str, candidate: str = KEEPLINE) -> Reading:
        """All that was read of one figure of one candidate."""
        measured = self._results.get(candidate)
        if measured is None or figure not in measured.readings:
            raise NotMeasuredError(f"{figure} of {candidate}")
        return measured.readings[figure]

    def median(self, figure: str, candidate: str = KEEPLINE) -> float:
        """The middle of the repeats."""
        return self.reading(figure, candidate).median

    def worst(self, figure: str, candidate: str = KEEPLINE) -> float:
        """The largest of the repeats."""
        return max(self.reading(figure, candidate).values)


@dataclass(frozen=True)
class Target:
    """One row of the design's table.

    `figures` are the readings it is judged by; `value` is what the row shows, for any candidate.
    """

    what: str
    aim: str
    unit: str
    figures: tuple[str, ...]
    value: Callable[[Look, str], float]
    is_met: Callable[[Look], bool]


def targets(plan: Plan) -> list[Target]:
    """The rows that this bench can judge, for the sizes of `plan`."""
    size = plan.largest
    return [
        _at_most(f"RSS per idle session, {size:,}", f"rss_{size}", 2.5, "KiB"),
        _at_least("memory given back, all gone", f"given_back_{size}", 80, "%"),
        _ping(f"ping_{size}"),
        _below_websockets("CPU per accepted device", "accept_us", 100),
        _below_websockets("CPU per echoed frame", "echo_us", 10),
        _worst_wait(size),
        _relay(),
        _at_most("wake from IDLE to echo, p99", "wake_p99", 1, "ms"),
        _good_devices(),
        _at_most("longest wait beside a sample", "sample_wait", 10, "ms"),
        _at_most("longest wait beside a scrape", "scrape_wait", 10, "ms"),
        _at_worst("joins while one attacks, p95", "join_p95", 20, "ms"),
        _at_worst("memory of one attacker", "grown", 2, "MiB"),
        _at_most("all back after a storm", "storm_over", 11, "s"),
        _at_most("devices that a storm left out", "storm_failed", 0, "%"),
        _at_most("round trip in a storm, p99", "storm_good_p99", 10, "ms"),
        _at_least("memory given back after a burst of talk", "burst_given_back", 80, "%"),
        _at_most("longest wait after a burst of talk", "burst_wait", 10, "ms"),
        _at_most("all drained, of the planned time", "drain_of_plan", 1, "of plan"),
        _at_most("sessions lost in a drain", "drain_lost", 0, "sessions"),
        _at_most("arrivals after a drain, of the rate", "drain_peak", 1.1, "of rate"),
        _at_most("longest turn of the loop in a drain", "drain_stall", 10, "ms"),
        *([_growth(plan.fleets[0], size)] if len(plan.fleets) > 1 else []),
    ]


def verdict(target: Target, results: Results) -> bool | None:
    """Whether it is met; None when something it needs was not measured."""
    try:
        return target.is_met(Look(results))
    except NotMeasuredError:
        return None


def _at_most(what: str, figure: str, limit: float, unit: str) -> Target:
    return Target(
        what,
        f"≤ {limit:g} {unit}",
        unit,
        (figure,),
        lambda look, who: look.median(figure, who),
        lambda look: look.median(figure) <= limit,
    )


def _at_least(what: str, figure: str, limit: float, unit: str) -> Target:
    return Target(
        what,
        f"≥ {limit:g} {unit}",
        unit,
        (figure,),
        lambda look, who: look.median(figure, who),
        lambda look: look.median(figure) >= limit,
    )


def _ping(figure: str) -> Target:
    def is_met(look: Look) -> bool:
        ours = look.median(figure)
        near_floor = ours <= 1.2 * look.median(figure, FLOOR)
        return near_floor and ours <= look.median(figure, WEBSOCKETS) / 4

    return Target(
        "CPU per ping + pong",
        "≤ 1.2 of floor,\n≤ 1/4 of websockets",
        "µs",
        (figure,),
        lambda look, who: look.median(figure, who),
        is_met,
    )


def _below_websockets(what: str, figure: str, limit_us: float) -> Target:
    def is_met(look: Look) -> bool:
        ours = look.median(figure)
        return ours <= limit_us and ours < look.median(figure, WEBSOCKETS)

    return Target(
        what,
        f"≤ {limit_us:g} µs,\nbelow websockets",
        "µs",
        (figure,),
        lambda look, who: look.median(figure, who),
        is_met,
    )


def _relay() -> Target:
    return Target(
        "CPU per relayed frame",
        "≤ 1.5 of floor",
        "µs",
        ("relay_us",),
        lambda look, who: look.median("relay_us", who),
        lambda look: look.median("relay_us") <= 1.5 * look.median("relay_us", FLOOR),
    )


def _worst_wait(size: int) -> Target:
    return Target(
        f"worst wait beside {size:,} idle",
        "≤ 10 ms",
        "ms",
        ("rtt_max",),
        lambda look, who: look.worst("rtt_max", who),
        lambda look: look.worst("rtt_max") <= 10,
    )


def _good_devices() -> Target:
    figures = _of_each_attack("good_p99")

    def is_met(look: Look) -> bool:
        worst = max(look.median(figure) for figure in figures)
        return worst <= 5 and worst <= 3 * look.median("good_p99_quiet")

    return Target(
        "round trip while one attacks, p99",
        "≤ 5 ms,\n≤ 3 of quiet",
        "ms",
        figures,
        lambda look, who: max(look.median(figure, who) for figure in figures),
        is_met,
    )


def _at_worst(what: str, figure: str, limit: float, unit: str) -> Target:
    """The worst of all attacks."""
    figures = _of_each_attack(figure)
    return Target(
        what,
        f"≤ {limit:g} {unit}",
        unit,
        figures,
        lambda look, who: max(look.median(figure, who) for figure in figures),
        lambda look: max(look.median(figure) for figure in figures) <= limit,
    )


def _of_each_attack(figure: str) -> tuple[str, ...]:
    return tuple(f"{figure}_{kind}" for kind in KINDS)


def _growth(few: int, many: int) -> Target:
    pairs = (
        (f"rss_{few}", f"rss_{many}"),
        (f"ping_{few}", f"ping_{many}"),
        ("accept_us", "accept_fleet_us"),
    )

    def growth(look: Look, who: str) -> float:
        return max(look.median(large, who) / look.median(small, who) for small, large in pairs)

    return Target(
        f"growth per session, {few:,} to {many:,}",
        f"flat (≤ {FLAT})",
        "fold",
        tuple(figure for pair in pairs for figure in pair),
        growth,
        lambda look: growth(look, KEEPLINE) <= FLAT,
    )
