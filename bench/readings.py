"""What comes out of a measurement."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


class BenchError(Exception):
    """A measurement that could not be made; the message says at which step."""


@dataclass
class Reading:
    """One figure of one candidate: a value for each repeat, and what it was read under."""

    unit: str
    values: list[float]
    facts: dict[str, float] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.values)

    def as_json(self) -> dict[str, Any]:
        spread = {"min": min(self.values), "median": self.median, "max": max(self.values)}
        return asdict(self) | spread

    def and_then(self, later: Reading) -> Reading:
        """Return both as repeats of one: of the facts the worst, of the doubts all."""
        facts = {name: max(fact, later.facts[name]) for name, fact in self.facts.items()}
        doubts = list(dict.fromkeys(self.doubts + later.doubts))
        return Reading(self.unit, self.values + later.values, facts, doubts)


Readings = dict[str, Reading]


@dataclass
class Measured:
    """All that one candidate gave: its readings by figure, and what failed."""

    readings: Readings = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        readings = {name: reading.as_json() for name, reading in self.readings.items()}
        return {"readings": readings, "failures": self.failures}


Results = dict[str, Measured]
"""By name of candidate."""


def percentile(values: list[float], percent: float) -> float:
    """Nearest rank; `values` need not be sorted, and must not be empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
