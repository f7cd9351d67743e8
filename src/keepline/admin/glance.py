"""All that the first page of the dashboard shows, in one small answer that is asked for often."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from fastapi import APIRouter, Response
from pydantic import BaseModel

from keepline.admin.api import Leaving, Readiness
from keepline.admin.governor import GovernorView, governor_view
from keepline.admin.monitor import EndingCount
from keepline.gateway.drain.progress import Phase
from keepline.monitor.gauges import GAUGES
from keepline.monitor.rates import unattributed_share
from keepline.monitor.rules.score import score
from keepline.monitor.summary import endings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keepline.gateway.node import Node
    from keepline.monitor.alerts.alerts import Alerts
    from keepline.monitor.gauges import Gauge
    from keepline.monitor.sampler import Sampler


class PartView(BaseModel):
    """`points` of `weight`; `value` is full up to `fine`, and worth nothing from `bad` on."""

    name: str
    weight: float
    points: float
    value: float
    fine: float
    bad: float


class ScoreView(BaseModel):
    """How well the node is, 0 to 100, and what that is made of."""

    total: float
    parts: list[PartView]


class OpenAlertView(BaseModel):
    """What is open, in short."""

    number: int
    about: str
    kind: str
    scope: str
    severity: str
    status: str
    acknowledged: bool
    since: datetime


class GlanceView(BaseModel):
    """How the node is now. `latest` is the last sample, of `sampled_at`, one each `interval_s`.

    `sessions` is of this moment, `limit` how many there may be; `score` is None before the first
    sample; `thresholds` are by gauge what an alert begins at.
    """

    at: datetime
    version: str
    address: str
    up_s: float
    ready: bool
    reason: str
    drain: Leaving | None
    sessions: int
    limit: int
    interval_s: float
    sampled_at: datetime | None
    latest: dict[str, float | None]
    thresholds: dict[str, float]
    score: ScoreView | None
    endings: list[EndingCount]
    unattributed: float | None
    governor: GovernorView
    alerts: list[OpenAlertView]


class Seen(NamedTuple):
    """Whom the glance asks."""

    node: Node
    sampler: Sampler
    alerts: Alerts
    thresholds: Mapping[Gauge, float]
    readiness: Callable[[], Readiness]
    version: str


def glance_routes(seen: Seen) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["dashboard"])
    since = seen.node.clock.now()

    @routes.get("/api/glance", response_model=GlanceView)
    async def glance() -> Response:
        """Tell how the node is now, all of it that the first page of the dashboard shows."""
        view = view_of(seen, seen.node.clock.now() - since)
        # Made into JSON in one go here: nothing of our own has to be checked again.
        return Response(view.model_dump_json(), media_type="application/json")

    return routes


def view_of(seen: Seen, up_s: float) -> GlanceView:
    """Return what is told; no session is looked at, so it costs the same for any fleet."""
    node, sample = seen.node, seen.sampler.latest
    readiness = seen.readiness()
    totals = node.counters.disconnects
    host = node.settings.server.host
    return GlanceView.model_construct(
        at=_time(node.clock.wall()),
        version=seen.version,
        address=f"{host}:{node.port}",
        up_s=round(up_s, 1),
        ready=readiness.ready,
        reason=readiness.reason,
        drain=_leaving(node),
        sessions=len(node.registry),
        limit=node.settings.server.max_connections,
        interval_s=seen.sampler.interval_s,
        sampled_at=None if sample is None else _time(sample.at),
        latest={each.value: None if sample is None else sample.value(each) for each in GAUGES},
        thresholds={gauge.value: limit for gauge, limit in seen.thresholds.items()},
        score=_score(seen),
        endings=[
            EndingCount(**each._asdict()) for each in endings_of(totals, seen.sampler.endings)
        ],
        unattributed=unattributed_share(totals),
        governor=governor_view(node),
        alerts=_open_alerts(seen.alerts),
    )


def _leaving(node: Node) -> Leaving | None:
    told = node.drain.progress()
    if told.phase is Phase.NONE:
        return None
    return Leaving(phase=told.phase, left=told.left, eta_s=told.eta_s)


def _score(seen: Seen) -> ScoreView | None:
    sample, settings = seen.sampler.latest, seen.node.settings
    if sample is None:
        return None
    known = {each: value for each in GAUGES if (value := sample.value(each)) is not None}
    found = score(known, settings.rules, settings.server.max_connections)
    parts = [PartView.model_construct(**part._asdict()) for part in found.parts]
    return ScoreView.model_construct(total=round(found.total, 1), parts=parts)


def _open_alerts(alerts: Alerts) -> list[OpenAlertView]:
    worst = sorted(alerts.book.open, key=lambda each: (each.severity != "high", each.since))
    return [
        OpenAlertView.model_construct(
            number=each.number,
            about=each.about,
            kind=each.kind,
            scope=each.scope,
            severity=each.severity,
            status=each.status,
            acknowledged=each.acknowledged is not None,
            since=_time(each.since),
        )
        for each in worst
    ]


def _time(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
