"""The capacity of this node, out of what its sampler has seen."""

from __future__ import annotations

from itertools import accumulate
from math import isnan
from statistics import fmean
from typing import TYPE_CHECKING, Final

from keepline.monitor.capacity.costs import Observed
from keepline.monitor.capacity.forecast import Now, Terms
from keepline.monitor.gauges import Gauge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.monitor.sample import Sample
    from keepline.monitor.sampler import Sampler

GAUGES: Final = (
    Gauge.CONNECTIONS,
    Gauge.TALKING_CONNECTIONS,
    Gauge.MEMORY_BYTES,
    Gauge.LOOP_CPU_PERCENT,
    Gauge.PINGS_PER_S,
    Gauge.FRAMES_PER_S,
    Gauge.HANDSHAKES_PER_S,
)
"""What an `Observed` has, in its order; but for how many sessions there are fewer."""

MOST_ROWS: Final = 240
"""Of the last hour: more of them change little, and would hold the loop up for longer."""

LATELY: Final = 12
"""So many samples are averaged for what is done in a second: a minute of them."""


def seen_by(sampler: Sampler) -> list[Observed]:
    """Return what the sampler has seen since this process began, an hour at most."""
    ring = sampler.rings.samples
    began_at = None if sampler.reading is None else sampler.reading.started_at
    first = ring.oldest
    if began_at is not None:
        # What a former life used says nothing of this one: its memory began elsewhere.
        first = max(first, int(began_at // ring.step_s) + 1)
    step = max(1, (ring.newest - first + 1) // MOST_ROWS + 1)
    columns = [ring.columns(gauge, first, ring.newest)[1][0][::step] for gauge in GAUGES]
    most = accumulate(columns[0], _most)
    return [
        Observed(there, talking, so_far - there, memory, cpu / 100, *work)
        for so_far, there, talking, memory, cpu, *work in zip(most, *columns, strict=True)
    ]


def _most(so_far: float, there: float) -> float:
    return so_far if isnan(there) or so_far >= there else there


def now_of(sampler: Sampler, latest: Sample, seen: Sequence[Observed]) -> Now:
    """Return what is, and what was done in a second of the last minute; `seen` is the hour."""
    sessions = latest.value(Gauge.CONNECTIONS) or 0.0

    def lately(gauge: Gauge) -> float | None:
        values = sampler.rings.series(gauge, LATELY * sampler.interval_s).values
        return fmean(values) if values else None

    cpu_percent = lately(Gauge.LOOP_CPU_PERCENT)
    return Now(
        sessions=sessions,
        fewer=max([0.0, *(row.fewer + row.sessions - sessions for row in seen if row.fewer >= 0)]),
        memory_bytes=latest.value(Gauge.MEMORY_BYTES),
        descriptors=latest.value(Gauge.DESCRIPTORS),
        sessions_lately=lately(Gauge.CONNECTIONS) or 0.0,
        talking=lately(Gauge.TALKING_CONNECTIONS) or 0.0,
        cpu=None if cpu_percent is None else cpu_percent / 100,
        pings_per_s=lately(Gauge.PINGS_PER_S) or 0.0,
        frames_per_s=lately(Gauge.FRAMES_PER_S) or 0.0,
        handshakes_per_s=lately(Gauge.HANDSHAKES_PER_S) or 0.0,
    )


def terms_of(
    now: Now, latest: Sample, *, interval_s: float, descriptors_kept: int, connections: int
) -> Terms:
    """Return the terms that hold here."""
    return Terms(
        interval_s=interval_s,
        talk_share=now.talk_share,
        memory_limit_bytes=latest.value(Gauge.MEMORY_LIMIT_BYTES),
        descriptor_limit=latest.value(Gauge.DESCRIPTOR_LIMIT),
        descriptors_kept=descriptors_kept,
        connections=connections,
    )
