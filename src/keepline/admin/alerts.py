"""Alerts in the admin interface: what is open, what was, and what operators say about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt, Le
from fastapi import APIRouter
from fastapi.exceptions import HTTPException
from pydantic import BaseModel, StringConstraints

from keepline.monitor.alerts.alert import INCIDENT
from keepline.monitor.alerts.incidents import Incident
from keepline.monitor.findings import Kind
from keepline.monitor.gauges import Gauge

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.monitor.alerts.alert import Alert
    from keepline.monitor.alerts.alerts import Alerts
    from keepline.monitor.alerts.silences import Silence

ABOUT = frozenset((*Gauge, *Incident))
KINDS = frozenset((*Kind, INCIDENT))

Text = Annotated[str, StringConstraints(max_length=200)]
Silent = Annotated[float, Gt(0), Le(2_592_000)]


class ActionView(BaseModel):
    """What was done about an alert from `at` to `ended_at` (null: it goes on), and what came of it.

    `effect` is empty where nothing is known of it.
    """

    at: datetime
    action: str
    effect: str
    ended_at: datetime | None


class AcknowledgedView(BaseModel):
    """Who looks after an alert."""

    at: datetime
    by: str
    note: str


class AlertView(BaseModel):
    """One alert. `about` is a gauge or an incident; `value` and `limit` are in its unit.

    `severity` is the worst so far; `openings` how often it came, of a flapping one. `actions` are
    what Keepline did, `undone` is why it did nothing, `advice` is for people. `resolution` says why
    it is over.
    """

    number: int
    about: str
    kind: str
    scope: str
    status: str
    severity: str
    detail: str
    value: float | None
    limit: float | None
    exhausted_in_s: float | None
    since: datetime
    updated_at: datetime
    resolved_at: datetime | None
    resolution: str
    openings: int
    silenced: bool
    advice: str
    actions: list[ActionView]
    undone: str
    acknowledged: AcknowledgedView | None

    @classmethod
    def of(cls, alert: Alert) -> AlertView:
        """Return how it looks."""
        known = alert.acknowledged
        return cls(
            number=alert.number,
            about=alert.about,
            kind=alert.kind,
            scope=alert.scope,
            status=alert.status,
            severity=alert.severity,
            detail=alert.detail,
            value=alert.value,
            limit=alert.limit,
            exhausted_in_s=alert.exhausted_in_s,
            since=_time(alert.since),
            updated_at=_time(alert.updated_at),
            resolved_at=None if alert.resolved_at is None else _time(alert.resolved_at),
            resolution=alert.resolution,
            openings=alert.openings,
            silenced=alert.silenced,
            advice=alert.advice,
            actions=[
                ActionView(
                    at=_time(each.at),
                    action=each.action,
                    effect=each.effect,
                    ended_at=None if each.ended_at is None else _time(each.ended_at),
                )
                for each in alert.actions
            ],
            undone=alert.undone,
            acknowledged=None
            if known is None
            else AcknowledgedView(at=_time(known.at), by=known.by, note=known.note),
        )


class SilenceView(BaseModel):
    """What nobody is told of until a time; empty `about` or `kind` stands for all."""

    number: int
    about: str
    kind: str
    until: datetime
    by: str
    note: str

    @classmethod
    def of(cls, silence: Silence) -> SilenceView:
        """Return how it looks."""
        return cls(
            number=silence.number,
            about=silence.about,
            kind=silence.kind,
            until=_time(silence.until),
            by=silence.by,
            note=silence.note,
        )


class AlertList(BaseModel):
    """The answer of `GET /api/alerts`: what is open, the latest that are over, and silences."""

    open: list[AlertView]
    recent: list[AlertView]
    silences: list[SilenceView]


class Acknowledge(BaseModel):
    """Which alert, and who says so."""

    number: int
    by: Text = ""
    note: Text = ""


class Hush(BaseModel):
    """What is to be silent, and for how long; one of `about` and `kind` at least."""

    about: Text = ""
    kind: Text = ""
    for_s: Silent
    by: Text = ""
    note: Text = ""


class Unsilence(BaseModel):
    """Which silence."""

    number: int


def alert_routes(alerts: Alerts, wall: Callable[[], float]) -> APIRouter:
    """Return the routes; 404 for an alert that is not open, or a silence that is over."""
    routes = APIRouter(prefix="/api/alerts", tags=["alerts"])

    @routes.get("")
    async def listed() -> AlertList:
        """Tell what is open, the worst first, and what was, the latest first."""
        book = alerts.book
        worst = sorted(book.open, key=lambda each: (each.severity != "high", each.since))
        return AlertList(
            open=[AlertView.of(each) for each in worst],
            recent=[AlertView.of(each) for each in reversed(book.recent)],
            silences=[SilenceView.of(each) for each in book.silences.at(wall())],
        )

    @routes.post("/acknowledge")
    async def acknowledge(asked: Acknowledge) -> AlertView:
        """Say that somebody looks after an open alert: it is not told again."""
        found = alerts.acknowledge(asked.number, asked.by, asked.note)
        if found is None:
            raise HTTPException(404, f"no alert {asked.number} is open")
        return AlertView.of(found)

    @routes.post("/silence")
    async def silence(asked: Hush) -> SilenceView:
        """Have nobody told of a gauge, an incident or a kind for a while."""
        _check(asked)
        made = alerts.silence(
            asked.for_s, about=asked.about, kind=asked.kind, by=asked.by, note=asked.note
        )
        if made is None:
            raise HTTPException(409, "there are too many silences: lift some, or make a wider one")
        return SilenceView.of(made)

    @routes.post("/unsilence")
    async def unsilence(asked: Unsilence) -> None:
        """End a silence before its time; what still holds is told."""
        if not alerts.unsilence(asked.number):
            raise HTTPException(404, f"there is no silence {asked.number}")

    return routes


def _check(asked: Hush) -> None:
    if not (asked.about or asked.kind):
        raise HTTPException(422, "say what is to be silent: about, kind, or both")
    if asked.about and asked.about not in ABOUT:
        raise HTTPException(422, f"{asked.about} is no gauge and no incident")
    if asked.kind and asked.kind not in KINDS:
        raise HTTPException(422, f"kind may be {', '.join(sorted(KINDS))}, not {asked.kind}")


def _time(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
