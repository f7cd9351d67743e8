"""How a node is: its latest numbers, their averages, and who has ended how many connections."""

from __future__ import annotations

from math import isnan
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from keepline.monitor.gauges import GAUGES
from keepline.monitor.rates import unattributed_share
from keepline.monitor.sampler import AVERAGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from keepline.monitor.gauges import Gauge
    from keepline.monitor.rings import Rings
    from keepline.monitor.sample import Sample
    from keepline.reasons import CloseReason


class Ended(NamedTuple):
    """How many upgraded connections ended so: since the start, and lately."""

    initiator: str
    cause: str
    total: int
    lately: int


class Summary(NamedTuple):
    """`latest` and `averages` have None for what has no value; the averages are over `samples`.

    `endings` has the causes that occurred, the most frequent first. `unattributed` is the share of
    endings whose cause nobody knows, None before the first.
    """

    at: float | None
    samples: int
    latest: Mapping[Gauge, float | None]
    averages: Mapping[Gauge, float | None]
    endings: list[Ended]
    unattributed: float | None


def summary_of(
    rings: Rings,
    latest: Sample | None,
    totals: Mapping[CloseReason, int],
    lately: Iterable[Mapping[CloseReason, int]],
) -> Summary:
    """Return how a node is; `totals` are since its start, `lately` of the last samples."""
    ring = rings.samples
    first = max(ring.oldest, ring.newest - AVERAGED + 1)
    averages: dict[Gauge, float | None] = {}
    for gauge in GAUGES:
        _, [values] = ring.columns(gauge, first, ring.newest)
        there = [value for value in values if not isnan(value)]
        averages[gauge] = fmean(there) if there else None
    return Summary(
        at=None if latest is None else latest.at,
        samples=ring.newest - first + 1,
        latest={gauge: None if latest is None else latest.value(gauge) for gauge in GAUGES},
        averages=averages,
        endings=endings_of(totals, lately),
        unattributed=unattributed_share(totals),
    )


def endings_of(
    totals: Mapping[CloseReason, int], lately: Iterable[Mapping[CloseReason, int]]
) -> list[Ended]:
    """Return the causes that occurred of upgraded connections, the most frequent first."""
    lately = list(lately)
    found = [
        Ended(
            reason.initiator.value,
            reason.cause,
            total,
            sum(sample.get(reason, 0) for sample in lately),
        )
        for reason, total in totals.items()
        if total and reason.status is None
    ]
    return sorted(found, key=lambda ended: -ended.total)
