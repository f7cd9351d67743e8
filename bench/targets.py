"""The design's targets, each judged against what was measured in the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.candidates import FLOOR, KEEPLINE, WEBSOCKETS
from bench.readings import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.plan import Plan

Results = dict[str, Measured]

FLAT_WITHIN = 1.15  # what "flat" may differ by: the spread of two equal measurements here


class NotMeasuredError(Exception):
    """A figure that a verdict needs was not measured in this run."""


@dataclass(frozen=True)
class Target:
    """One row of the design's table; `figure` is the reading that is shown for every candidate."""

    what: str
    aim: str
    figure: str
    is_met: Callable[[Look], bool]


class Look:
    """The readings of a run, as targets ask for them."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def median(self, figure: str, candidate: str = KEEPLINE) -> float:
        """The middle of the repeats; NotMeasuredError if there are none."""
        return self._reading(figure, candidate)[1]

    def worst(self, figure: str, candidate: str = KEEPLINE) -> float:
        """The largest of the repeats."""
        return self._reading(figure, candidate)[2]

    def _reading(self, figure: str, candidate: str) -> tuple[float, float, float]:
        measured = self._results.get(candidate)
        reading = measured.readings.get(figure) if measured else None
        if reading is None:
            raise NotMeasuredError(f"{figure} of {candidate}")
        return min(reading.values), reading.median, max(reading.values)


def targets(plan: Plan) -> list[Target]:
    """The rows that this bench can judge, for the sizes of `plan`."""
    small, large = plan.fleets[0], plan.largest
    rss, ping = f"rss_{large}", f"ping_{large}"

    def ping_is_cheap(look: Look) -> bool:
        near_floor = look.median(ping) <= 1.2 * look.median(ping, FLOOR)
        return near_floor and look.median(ping) <= look.median(ping, WEBSOCKETS) / 4

    def accept_is_cheap(look: Look) -> bool:
        below = look.median("accept_us") < look.median("accept_us", WEBSOCKETS)
        return below and look.median("accept_us") <= 100

    def echo_is_cheap(look: Look) -> bool:
        below = look.median("echo_us") < look.median("echo_us", WEBSOCKETS)
        return below and look.median("echo_us") <= 10

    def is_flat(look: Look) -> bool:
        pairs = ((f"rss_{small}", rss), ("accept_us", "accept_fleet_us"), (f"ping_{small}", ping))
        return all(look.median(many) <= FLAT_WITHIN * look.median(few) for few, many in pairs)

    return [
        Target(
            f"RSS per idle session, {large:,} in one process",
            "≤ 2.5 KiB",
            rss,
            lambda look: look.median(rss) <= 2.5,
        ),
        Target(
            f"memory given back after all {large:,} have left",
            "≥ 80 %",
            f"given_back_{large}",
            lambda look: look.median(f"given_back_{large}") >= 80,
        ),
        Target("CPU per ping + pong", "≤ 1.2 x floor; ≤ 1/4 of websockets", ping, ping_is_cheap),
        Target(
            "CPU per accepted device (upgrade, token, hello, session)",
            "≤ 100 µs; below websockets",
            "accept_us",
            accept_is_cheap,
        ),
        Target(
            "CPU per echoed 120-byte audio frame",
            "≤ 10 µs; below websockets",
            "echo_us",
            echo_is_cheap,
        ),
        Target(
            f"worst wait of a probe beside {large:,} idle sessions, pings and a scrape",
            "≤ 10 ms",
            "rtt_max",
            lambda look: look.worst("rtt_max") <= 10,
        ),
        Target(
            "wake from IDLE to the echo, seen from outside (p99)",
            "< 1 ms",
            "wake_p99",
            lambda look: look.median("wake_p99") < 1,
        ),
        Target(
            f"growth from {small:,} to {large:,}: RSS, accept and ping per session",
            f"flat (≤ x {FLAT_WITHIN})",
            f"rss_{small}",
            is_flat,
        ),
    ]


def verdict(target: Target, results: Results) -> bool | None:
    """Whether it is met; None when something it needs was not measured."""
    try:
        return target.is_met(Look(results))
    except NotMeasuredError:
        return None
