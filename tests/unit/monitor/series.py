"""Samples for tests: every gauge has one number, but for those that are said."""

from __future__ import annotations

from math import nan

from keepline.monitor.gauges import GAUGES, Gauge
from keepline.monitor.sample import Sample

WALL = 1_800_000_000.0  # a whole quarter of an hour


def sample(at_s: float, value: float | None = 1.0, **values: float) -> Sample:
    """Return the sample `at_s` after WALL; `values` are by the names of gauges."""
    base = nan if value is None else value
    row = tuple(values.get(gauge.value, base) for gauge in GAUGES)
    return Sample(WALL + at_s, row, {})


MEMORY = Gauge.MEMORY_BYTES
