"""Numbers of several workers made one of the machine: a sum where it is true, else the worst."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from keepline.monitor.gauges import Gauge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepline.admin.machine.combined import Answers, Document

    Numbers: TypeAlias = "list[float | None]"

WORST: Final = frozenset(
    {
        Gauge.MEMORY_LIMIT_BYTES,  # it is the same of all
        Gauge.LOOP_CPU_PERCENT,
        Gauge.HUB_CPU_PERCENT,
        Gauge.LOG_CPU_PERCENT,
        Gauge.DESCRIPTORS,
        Gauge.DESCRIPTOR_LIMIT,
        Gauge.LOOP_LAG_P50_S,
        Gauge.LOOP_LAG_P95_S,
        Gauge.LOOP_LAG_MAX_S,
        Gauge.RTT_P50_S,
        Gauge.RTT_P95_S,
        Gauge.HUB_LATENCY_S,
    }
)
"""Of these no sum says anything: the largest of all workers is told. The others are added up."""


def latest(by_worker: Mapping[int, Mapping[str, float | None]]) -> tuple[Document, dict[str, int]]:
    """Return the gauges of the machine, and of those that are one worker's, whose."""
    found: Document = {}
    whose: dict[str, int] = {}
    for name in next(iter(by_worker.values())):
        known = {
            slot: value
            for slot, numbers in by_worker.items()
            if (value := numbers.get(name)) is not None
        }
        if not known:
            found[name] = None
        elif name in WORST:
            whose[name] = max(known, key=lambda slot: known[slot])
            found[name] = known[whose[name]]
        else:
            found[name] = sum(known.values())
    return found, whose


def series(answers: Answers) -> Document:
    """Return each gauge's span of the machine, on the coarsest of the workers' steps."""
    names = next(iter(answers.values()))["series"]
    return {
        "series": {
            name: _span(name, [each["series"][name] for each in answers.values()]) for name in names
        }
    }


def _span(name: str, spans: list[Document]) -> Document:
    there = [each for each in spans if each["mean"]]
    if not there:
        return spans[0]
    step_s = max(each["step_s"] for each in there)
    first = min(int(each["start"] // step_s) for each in there)
    steps = range(first, 1 + max(int(_last_s(each) // step_s) for each in there))
    found: dict[str, Any] = {"start": first * step_s, "step_s": step_s}
    for part, pick in (("least", min), ("mean", _mean), ("most", max)):
        columns = [_on(steps, step_s, each, part, pick) for each in there]
        add = max if name in WORST else sum
        found[part] = [_one(add, at_once) for at_once in zip(*columns, strict=True)]
    return found


def _last_s(span: Document) -> float:
    return float(span["start"] + (len(span["mean"]) - 1) * span["step_s"])


def _on(steps: range, step_s: float, span: Document, part: str, pick: Any) -> Numbers:
    """Return the numbers of one worker on the steps of all.

    All do not look at themselves at the same moment: one hole counts as what was before it.
    """
    seen: list[list[float]] = [[] for _ in steps]
    for n, value in enumerate(span[part]):
        if value is not None:
            seen[int((span["start"] + n * span["step_s"]) // step_s) - steps.start].append(value)
    known = [pick(values) if values else None for values in seen]
    return [
        before if value is None else value
        for value, before in zip(known, [None, *known], strict=False)
    ]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _one(add: Any, at_once: tuple[float | None, ...]) -> float | None:
    known = [value for value in at_once if value is not None]
    return add(known) if known else None
