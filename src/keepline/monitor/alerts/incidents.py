"""What goes wrong by name: raised and cleared where it happens, by whoever sees it. Pure.

Raising the same again is no news, so nobody has to remember whether it was raised before.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.alerts.alert import INCIDENT, Problem
from keepline.monitor.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST: Final = 200
"""Incidents that stand at once; what is raised beyond them is counted by who keeps alerts."""


class Incident(StrEnum):
    """A closed list: what each is about is in its row of the table of advice."""

    MASS_SUSPICION = "mass_suspicion"
    LOOP_BLOCKED = "loop_blocked"
    HANDLER_SUSPENDED = "handler_suspended"
    STORE_AWAY = "store_away"
    CLUSTER_AWAY = "cluster_away"
    OUT_OF_DESCRIPTORS = "out_of_descriptors"
    KICK_WAR = "kick_war"
    BANS = "bans"
    LEAK = "leak"
    CERTIFICATE_EXPIRES = "certificate_expires"
    UPSTREAM_AWAY = "upstream_away"
    WORKER_ENDED = "worker_ended"


HIGH: Final = frozenset(
    {
        Incident.MASS_SUSPICION,
        Incident.HANDLER_SUSPENDED,
        Incident.STORE_AWAY,
        Incident.CLUSTER_AWAY,
        Incident.OUT_OF_DESCRIPTORS,
    }
)


class Fact(NamedTuple):
    """What is known of an incident: one sentence, and numbers where there are any."""

    detail: str
    value: float | None = None
    limit: float | None = None
    severity: Severity | None = None  # None: as the incident has it


class Incidents:
    """What stands. `on_change` is called when something was raised that did not, or cleared."""

    __slots__ = ("_standing", "on_change")

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = _nobody
        self._standing: dict[tuple[Incident, str], tuple[Fact, float | None]] = {}

    def raised(
        self, incident: Incident, fact: Fact, scope: str = "", until: float | None = None
    ) -> None:
        """It stands from now on, until it is cleared or, where nobody would, until a time.

        `until` is attentive time. `scope` tells one from another of that name.
        """
        key = (incident, scope)
        is_new = key not in self._standing
        if is_new and len(self._standing) >= MOST:
            return
        self._standing[key] = fact, until
        if is_new:
            self.on_change()

    def cleared(self, incident: Incident, scope: str = "") -> None:
        """It is over; nothing happens when it was not raised."""
        if self._standing.pop((incident, scope), None) is not None:
            self.on_change()

    def stands(self, incident: Incident, facts: Mapping[str, Fact]) -> None:
        """Of that name exactly these stand, by scope: for who sees all of it at once."""
        for scope in [each for name, each in self._standing if name is incident]:
            if scope not in facts:
                self.cleared(incident, scope)
        for scope, fact in facts.items():
            self.raised(incident, fact, scope)

    def problems(self, now: float) -> list[Problem]:
        """Return what stands at that attentive time; what has had its time is forgotten."""
        for key, (_, until) in list(self._standing.items()):
            if until is not None and now >= until:
                del self._standing[key]
        return [
            Problem(
                incident.value,
                INCIDENT,
                fact.severity or (Severity.HIGH if incident in HIGH else Severity.MEDIUM),
                fact.detail,
                fact.value,
                fact.limit,
                scope=scope,
            )
            for (incident, scope), (fact, _) in self._standing.items()
        ]


def _nobody() -> None:
    """Nobody wants to know."""
