"""What an alert is, and what happens in its life: values, which whoever is told may keep. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from keepline.monitor.findings import Severity  # noqa: TC001 (msgspec reads it)

if TYPE_CHECKING:
    from keepline.monitor.findings import Finding

INCIDENT = "incident"
"""The kind of what was raised by name; a finding has the kind of its rule."""


class Problem(NamedTuple):
    """What holds at the moment: a rule's finding, or an incident. `about` is a gauge or a name."""

    about: str
    kind: str
    severity: Severity
    detail: str
    value: float | None = None
    limit: float | None = None
    exhausted_in_s: float | None = None
    scope: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same problem as another."""
        return self.about, self.kind, self.scope


def problem_of(finding: Finding) -> Problem:
    """Return what a rule found as a problem."""
    return Problem(
        finding.gauge.value,
        finding.kind.value,
        finding.severity,
        finding.detail,
        finding.value,
        finding.limit,
        finding.exhausted_in_s,
    )


class Status(StrEnum):
    """Where an alert is in its life."""

    OPEN = "open"
    FLAPPING = "flapping"  # it came and went too often: it stays, and is told once
    RESOLVED = "resolved"


class What(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    WORSENED = "worsened"
    FLAPPING = "flapping"
    ACKNOWLEDGED = "acknowledged"
    REMINDED = "reminded"  # it is still there
    RESOLVED = "resolved"


class Action(Struct, frozen=True):
    """What Keepline did about it, and what came of that; times are wall clock.

    `ended_at` is None while it goes on; `effect` is what was seen up to now, or up to its end.
    """

    at: float
    action: str
    effect: str = ""
    ended_at: float | None = None


class Account(NamedTuple):
    """What was done about an alert, as far as this process knows, and why nothing where nothing."""

    actions: tuple[Action, ...] = ()
    undone: str = ""


class Acknowledged(Struct, frozen=True):
    """Somebody looks after it."""

    at: float
    by: str
    note: str = ""


class Alert(Struct, frozen=True, kw_only=True):
    """One alert, as it is at the moment; times are wall clock.

    `value` and `limit` are in the unit of the gauge, as in a `Finding`; None where there are none.
    `severity` is the worst so far. `openings` is how often it came, of which a flapping one has
    many. `resolution` says why it is over, empty while it is not. `undone` is why nothing was done
    about it, empty where there are `actions`.
    """

    number: int
    about: str
    kind: str
    scope: str
    status: Status
    severity: Severity
    detail: str
    value: float | None
    limit: float | None
    exhausted_in_s: float | None
    since: float
    updated_at: float
    advice: str
    openings: int = 1
    actions: tuple[Action, ...] = ()
    undone: str = ""
    acknowledged: Acknowledged | None = None
    resolved_at: float | None = None
    resolution: str = ""
    told: bool = False  # that it is open, to somebody
    silenced: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same problem as another."""
        return self.about, self.kind, self.scope


class Notice(NamedTuple):
    """What somebody is told: what happened, and the alert as it is since then."""

    what: What
    alert: Alert


def done_about(alert: Alert) -> str:
    """Return what was done about it and what came of that, or why nothing was done."""
    done = "; ".join(map(_told, alert.actions))
    return done or f"nothing{f', {alert.undone}' if alert.undone else ''}"


def _told(action: Action) -> str:
    over = "" if action.ended_at is None else "over"
    told = ", ".join(filter(None, (action.effect, over)))
    return f"{action.action} ({told})" if told else action.action
