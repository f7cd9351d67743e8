"""The classes of handlers of one node that have failed, and what is done with who comes then."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from msgspec import json

from keepline.errors import RefusedError, SuspendedError
from keepline.gateway.isolation.places import kind_of
from keepline.gateway.isolation.suspension import Suspension
from keepline.gateway.registry import folded
from keepline.monitor.alerts.incidents import Fact, Incident
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.gateway.node import Node
    from keepline.gateway.session import Session


class Suspensions:
    """Keyed by what makes handlers: a class, or the callable that failed to make one."""

    __slots__ = ("_by_kind", "_kinds", "_node")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._by_kind: dict[object, Suspension[Session]] = {}
        self._kinds: set[object] = set()  # of the sessions that have been begun

    def __iter__(self) -> Iterator[tuple[str, Suspension[Session]]]:
        """Yield what has ever failed, with its name."""
        return iter([(kind_of(kind), each) for kind, each in self._by_kind.items()])

    def check_open(self) -> None:
        """Raise RefusedError when no handler would be given to a device that comes now."""
        if not self._by_kind:
            return
        wait_s = self._wait_s(self._node.make_handler)
        if wait_s is None:
            waits = [self._wait_s(kind) for kind in self._kinds]
            known = [each for each in waits if each is not None]
            if not known or len(known) < len(waits):
                return
            wait_s = min(known)
        raise RefusedError(
            "its handler fails too often",
            CloseReason.HANDLER_UNAVAILABLE,
            retry_after_s=max(1, ceil(wait_s)),
        )

    def _wait_s(self, kind: object) -> float | None:
        """Return when to come again; None when sessions of `kind` are begun."""
        suspension, now = self._by_kind.get(kind), self._node.ticker.now
        if suspension is None or suspension.may_begin(now):
            return None
        return suspension.wait_s(now)

    def begin(self, session: Session) -> None:
        """Note that a session begins. Raises SuspendedError when none of its kind is begun."""
        kind = type(session.handler)
        self._kinds.add(kind)
        suspension = self._by_kind.get(kind)
        if suspension is None:
            return
        now = self._node.ticker.now
        if not suspension.may_begin(now):
            raise SuspendedError(f"{kind_of(kind)} fails too often: no session is begun")
        suspension.begun(session, now)

    def failed(self, kind: object, device_id: str) -> None:
        """Count a failure of `kind`, with one device: capitals make no other."""
        suspension = self._by_kind.get(kind)
        if suspension is None:
            suspension = self._by_kind[kind] = Suspension(self._node.settings.isolation)
        node = self._node
        if suspension.failed(folded(device_id), node.ticker.now, len(node.registry)):
            limits = node.settings.isolation
            self._tell(
                "handler_suspended",
                kind,
                devices=limits.failing_devices,
                within_s=limits.failing_within_s,
                for_s=limits.suspended_for_s,
            )

    def each_second(self, now: float) -> None:
        """Look at the sessions that were begun to see whether it works again."""
        for kind, suspension in self._by_kind.items():
            for probe, since in suspension.probes():
                if _has_proved(probe, now - since, suspension):
                    suspension.proved()
                    self._tell("handler_resumed", kind)
                    break

    def _tell(self, event: str, kind: object, **fields: float) -> None:
        name = kind_of(kind)
        incidents = self._node.incidents
        if event == "handler_suspended":
            fact = Fact(f"{name} fails: no session is begun", fields["devices"])
            incidents.raised(Incident.HANDLER_SUSPENDED, fact, name)
        else:
            incidents.cleared(Incident.HANDLER_SUSPENDED, name)
        log = self._node.log.error if event == "handler_suspended" else self._node.log.warning
        log(event, handler=name, **fields)
        self._node.hub.emit("", event, json.encode({"handler": name, **fields}))


def _has_proved(probe: Session, lived_s: float, suspension: Suspension[Session]) -> bool:
    """Whether a session shows that its kind works: it took a message, and is done with it."""
    connection = probe.connection
    if connection.lifecycle.reason is not None:
        suspension.left(probe)
        return False
    heard = connection.last_activity > probe.opened_at
    busy = probe in connection.node.isolation.deadlines
    return not busy and (heard or lived_s >= connection.node.settings.isolation.suspended_for_s)
