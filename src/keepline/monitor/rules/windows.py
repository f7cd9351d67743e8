"""Which part of a series a rule looks at: the latest, as it was sampled or by the minute. Pure."""

from __future__ import annotations

from bisect import bisect_left
from statistics import median
from typing import TYPE_CHECKING

from keepline.monitor.sample import Series

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOTHING = Series([], [])


def since(series: Series, start: float) -> Series:
    """Return what was sampled from `start` on."""
    first = bisect_left(series.times, start)
    return Series(series.times[first:], series.values[first:])


def by_step(
    series: Series, step_s: float, of: Callable[[Sequence[float]], float] = median
) -> Series:
    """Return one value for each whole step that has any: the median of its own, or what `of` says.

    The step that the latest sample is in has not ended, and is left out.
    """
    if not series.times:
        return NOTHING
    inside: dict[int, list[float]] = {}
    for time, value in zip(series.times, series.values, strict=True):
        inside.setdefault(int(time // step_s), []).append(value)
    inside.popitem()
    return Series(
        [(number + 0.5) * step_s for number in inside], [of(each) for each in inside.values()]
    )


def with_as_many(series: Series, connections: Series) -> Series:
    """Return a rate as it would have been with as many connections as there are now.

    A day brings more connections and fewer, and each its share of events. Times of which the
    number of connections is not known are left out.
    """
    count_at = dict(zip(connections.times, connections.values, strict=True))
    now = max(1.0, connections.values[-1]) if connections.values else 1.0
    kept = [
        (time, value * now / max(1.0, count))
        for time, value in zip(series.times, series.values, strict=True)
        if (count := count_at.get(time)) is not None
    ]
    return Series([time for time, _ in kept], [value for _, value in kept])
