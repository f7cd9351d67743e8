"""What a notice says: a document for programs, and the texts that a template can show. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import json

from keepline.monitor.alerts.alert import What, done_about

if TYPE_CHECKING:
    from keepline.monitor.alerts.alert import Notice

NO_TIME: Final = "0001-01-01T00:00:00Z"
"""How programs in Go say that a time is not set."""

PLACEHOLDERS: Final = (
    *("what", "status", "number", "node", "about", "kind", "scope", "severity", "headline"),
    *("detail", "value", "limit", "since", "ends", "done", "advice", "resolution"),
)
"""The names of `texts_of`."""

_HAPPENED: Final = {
    What.OPENED: "",
    What.WORSENED: "worse now, ",
    What.FLAPPING: "comes and goes, ",
    What.ACKNOWLEDGED: "acknowledged, ",
    What.REMINDED: "still, ",
    What.RESOLVED: "over, ",
}


def document(notice: Notice, node: str) -> bytes:
    """Return a notice as JSON: what happened, where, and all that is known of the alert."""
    what, alert = notice
    return json.encode({"what": what, "node": node, "alert": alert})


def texts_of(notice: Notice, node: str) -> dict[str, str]:
    """Return every text that a template may show, by the name of its placeholder."""
    what, alert = notice
    return {
        "what": what.value,
        "status": alert.status.value,
        "number": str(alert.number),
        "node": node,
        "about": alert.about,
        "kind": alert.kind,
        "scope": alert.scope,
        "severity": alert.severity.value,
        "headline": headline(notice, node),
        "detail": alert.detail,
        "value": _number(alert.value),
        "limit": _number(alert.limit),
        "since": iso(alert.since),
        "ends": NO_TIME if alert.resolved_at is None else iso(alert.resolved_at),
        "done": done_about(alert),
        "advice": alert.advice,
        "resolution": alert.resolution,
    }


def headline(notice: Notice, node: str) -> str:
    """Return a notice in one line."""
    what, alert = notice
    scope = f" ({alert.scope})" if alert.scope else ""
    return f"Keepline {node}: {_HAPPENED[what]}{alert.severity}, {alert.detail}{scope}"


def iso(wall: float) -> str:
    """Return a time as RFC 3339 has it, in UTC."""
    return (
        datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
