"""Tries the rules, and the seed's, on series that are made up: what each finds, and when."""

from __future__ import annotations

from random import Random
from time import process_time
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.findings import Kind
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.anomalies import SHIFTED
from keepline.monitor.rules.rulebook import Rulebook
from keepline.monitor.sample import Series
from keepline.settings.rules import Rules
from tools.rules_series import MAX_CONNECTIONS, MB, STEP_S, made

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.monitor.findings import Finding
    from tools.rules_series import Story

OURS: Final = ("threshold", "trend", "outlier", "shift")
SEED: Final = ("seed's threshold", "seed's slope", "seed's growth")

SETTINGS: Final = Rules(connections=None)
SEED_EVERY: Final = 6  # samples: the seed's are 30 s apart
_SEED_PERIOD: Final = 10


class Fired(NamedTuple):
    """A rule held without a break from `start_s` to `end_s`."""

    rule: str
    gauge: Gauge
    start_s: float
    end_s: float
    detail: str


class Trial(NamedTuple):
    """What all rules did in one series, and the CPU times of our evaluations."""

    columns: dict[Gauge, list[float]]
    fired: list[Fired]
    took_s: list[float]


def tried(story: Story, length_s: int, seed: str) -> Trial:
    """Play a series to all rules, sample by sample."""
    columns = made(story, length_s, Random(seed))  # noqa: S311 (it is to be repeated)
    times = [float(number * STEP_S) for number in range(length_s // STEP_S)]
    rulebook = Rulebook(SETTINGS, MAX_CONNECTIONS)
    held = _Held()
    took_s = []
    for number, now in enumerate(times):

        def recent(gauge: Gauge, for_s: float, end: int = number + 1) -> Series:
            first = max(0, end - round(for_s / STEP_S))
            return Series(times[first:end], columns[gauge][first:end])

        before = process_time()
        found = rulebook.evaluate(now, recent)
        took_s.append(process_time() - before)
        held.now(now, {(_rule(each), each.gauge): each.detail for each in found}, OURS)
        if number % SEED_EVERY == 0:
            held.now(now, _seed(columns, number), SEED)
    held.end(times[-1])
    return Trial(columns, held.fired, took_s)


class _Held:
    """Makes spans of what holds at each sample."""

    def __init__(self) -> None:
        self.fired: list[Fired] = []
        self._open: dict[tuple[str, Gauge], tuple[float, str]] = {}

    def now(self, now: float, holds: dict[tuple[str, Gauge], str], rules: Sequence[str]) -> None:
        for key in [key for key in self._open if key[0] in rules and key not in holds]:
            start, detail = self._open.pop(key)
            self.fired.append(Fired(*key, start, now, detail))
        for key, detail in holds.items():
            self._open.setdefault(key, (now, detail))

    def end(self, now: float) -> None:
        for key, (start, detail) in self._open.items():
            self.fired.append(Fired(*key, start, now, detail))
        self._open.clear()


def _rule(finding: Finding) -> str:
    if finding.kind is Kind.ANOMALY:
        return "shift" if finding.limit == SHIFTED else "outlier"
    return str(finding.kind)


def _seed(columns: dict[Gauge, list[float]], number: int) -> dict[tuple[str, Gauge], str]:
    """The seed's rules on every sixth sample: limits, and the slope of a straight line.

    Its code compares the slope of a sample with 50 MB and 10 connections; its comment, and our
    preset, mean the growth of the period of ten.
    """
    limits = {
        Gauge.MEMORY_BYTES: 1_024 * MB,
        Gauge.CPU_PERCENT: 80,
        Gauge.CONNECTIONS: 0.9 * MAX_CONNECTIONS,
        Gauge.QUEUE_DEPTH: 500,
    }
    holds = {
        ("seed's threshold", gauge): ""
        for gauge, limit in limits.items()
        if columns[gauge][number] > limit
    }
    for gauge, most in ((Gauge.MEMORY_BYTES, 50 * MB), (Gauge.CONNECTIONS, 10)):
        first = number - SEED_EVERY * (_SEED_PERIOD - 1)
        if first < 0:
            continue
        slope = _slope(columns[gauge][first : number + 1 : SEED_EVERY])
        if slope > most:
            holds["seed's slope", gauge] = ""
        if slope * _SEED_PERIOD > most:
            holds["seed's growth", gauge] = ""
    return holds


def _slope(values: Sequence[float]) -> float:
    """The slope of the line of least squares, by sample, as in the seed."""
    mean_at = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    over = sum((at - mean_at) * (value - mean) for at, value in enumerate(values))
    return over / sum((at - mean_at) ** 2 for at in range(len(values)))
