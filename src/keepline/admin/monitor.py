"""How a node is and was, in the admin interface: its latest numbers, and series of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Response
from fastapi.exceptions import HTTPException
from msgspec import json
from pydantic import BaseModel

from keepline.monitor.gauges import Gauge
from keepline.monitor.summary import summary_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepline.clock import Clock
    from keepline.monitor.metrics import Counters
    from keepline.monitor.sampler import Sampler

POINTS_LIMIT = 1_000
NUMBERS_LIMIT = 10_000  # points of all gauges of one answer
DEFAULT_S = 3_600.0

Gauges = Annotated[list[Gauge], Query(min_length=1, description="Which gauges; several if given.")]
From = Annotated[
    float | None,
    Query(
        alias="from",
        ge=0,
        allow_inf_nan=False,
        description="Unix time; without, an hour before `to`.",
    ),
]
Until = Annotated[
    float | None,
    Query(alias="to", ge=0, allow_inf_nan=False, description="Unix time; without, now."),
]
Points = Annotated[int, Query(ge=2, le=POINTS_LIMIT, description="Of each gauge, at most.")]


class EndingCount(BaseModel):
    """How many upgraded connections ended so: since the start, and in the averaged samples."""

    initiator: str
    cause: str
    total: int
    lately: int


class SummaryView(BaseModel):
    """How the node is. Gauges are in the unit that their name ends in; None has no value.

    `averages` are over `samples` samples, one each `interval_s`. `thresholds` are by gauge what an
    alert begins at. `unattributed` is the share of endings whose cause nobody knows, None before
    the first; `series_bytes` what is remembered takes.
    """

    at: datetime | None
    interval_s: float
    samples: int
    samples_missed: int
    latest: dict[str, float | None]
    averages: dict[str, float | None]
    thresholds: dict[str, float]
    endings: list[EndingCount]
    unattributed: float | None
    series_bytes: int


class SpanView(BaseModel):
    """One gauge for each step from `start` on (Unix time); None marks a gap."""

    start: float
    step_s: float
    least: list[float | None]
    mean: list[float | None]
    most: list[float | None]


class SeriesView(BaseModel):
    """What each gauge was, by its name."""

    series: dict[str, SpanView]


def monitor_routes(
    sampler: Sampler, counters: Counters, clock: Clock, thresholds: Mapping[Gauge, float]
) -> APIRouter:
    """Return the routes about the node's own numbers."""
    routes = APIRouter(prefix="/api/monitor", tags=["monitor"])

    @routes.get("/summary")
    async def summary() -> SummaryView:
        """Tell how the node is: the latest sample, averages, thresholds, and endings by cause."""
        found = summary_of(sampler.rings, sampler.latest, counters.disconnects, sampler.endings)
        return SummaryView(
            at=None if found.at is None else datetime.fromtimestamp(found.at, UTC),
            interval_s=sampler.interval_s,
            samples=found.samples,
            samples_missed=sampler.missed,
            latest={gauge.value: value for gauge, value in found.latest.items()},
            averages={gauge.value: value for gauge, value in found.averages.items()},
            thresholds={gauge.value: limit for gauge, limit in thresholds.items()},
            endings=[EndingCount(**each._asdict()) for each in found.endings],
            unattributed=found.unattributed,
            series_bytes=sampler.rings.size_bytes,
        )

    @routes.get("/series", response_model=SeriesView)
    async def series(
        gauge: Gauges, start: From = None, until: Until = None, points: Points = 300
    ) -> Response:
        """Tell what gauges were: in the finest steps that reach back so far, or in larger ones."""
        wanted = dict.fromkeys(gauge)
        if len(wanted) * points > NUMBERS_LIMIT:
            raise HTTPException(
                422,
                f"{len(wanted)} gauges of {points} points are more than {NUMBERS_LIMIT} numbers:"
                " ask for fewer of either",
            )
        until = clock.wall() if until is None else until
        start = until - DEFAULT_S if start is None else start
        found = {}
        for each in wanted:
            found[each.value] = sampler.rings.span(each, start, until, points)._asdict()
            await asyncio.sleep(0)  # others in between
        # NaN becomes null here, which FastAPI would refuse.
        return Response(json.encode({"series": found}), media_type="application/json")

    return routes
