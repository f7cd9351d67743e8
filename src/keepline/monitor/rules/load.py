"""How much memory connections explain, so that a leak is told from load. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.rules.trend import LEAST_POINTS
from keepline.monitor.sample import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

# Connections that follow the clock this closely (squared correlation) hide a leak behind them.
MOST_ALIKE: Final = 0.9


class Explained(NamedTuple):
    """What one connection takes, and the memory as it would be with today's connections.

    `doubtful` when connections moved so evenly that a leak would look the same; all growth is
    taken for load then.
    """

    bytes_per_connection: float
    rest: Series
    doubtful: bool


def explained(memory: Series, connections: Series) -> Explained:
    """Regress memory on connections, with time beside them, where both have a sample.

    Least squares over both, so that a leak which happens to rise with the fleet is not put on
    the fleet's account, as it would be by connections alone.
    """
    count_at = dict(zip(connections.times, connections.values, strict=True))
    rows = [
        (time, value, count_at[time])
        for time, value in zip(memory.times, memory.values, strict=True)
        if time in count_at
    ]
    if len(rows) < LEAST_POINTS:
        return Explained(0.0, memory, doubtful=False)
    cost, doubtful = _cost(rows)
    latest = rows[-1][2]
    rest = Series([row[0] for row in rows], [row[1] - cost * (row[2] - latest) for row in rows])
    return Explained(cost, rest, doubtful)


def _cost(rows: Sequence[tuple[float, float, float]]) -> tuple[float, bool]:
    """Return the bytes of a connection, at least 0, and whether time may have had a part in it."""
    count = len(rows)
    time_mean, memory_mean, load_mean = (sum(column) / count for column in zip(*rows, strict=True))
    by_time = by_load = both = memory_by_time = memory_by_load = 0.0
    for time, memory, load in rows:
        after, above, more = time - time_mean, load - load_mean, memory - memory_mean
        by_time += after * after
        by_load += above * above
        both += after * above
        memory_by_time += more * after
        memory_by_load += more * above
    if not by_load or not by_time:
        return 0.0, False
    if both * both > MOST_ALIKE * by_time * by_load:
        return max(0.0, memory_by_load / by_load), True
    determinant = by_time * by_load - both * both
    return max(0.0, (memory_by_load * by_time - memory_by_time * both) / determinant), False
