"""The classes of handlers of one node that have failed, and what is done with who comes then.

A class may fail with everybody, or with who comes from one address: what comes from there may be
made to fail. So each address has a standing of its own, and counts for all only in part.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

from msgspec import json

from keepline.errors import RefusedError, SuspendedError
from keepline.gateway.isolation.places import kind_of
from keepline.gateway.isolation.suspension import WORKED_S, Standing, Suspension
from keepline.gateway.registry import folded
from keepline.gateway.throttle import address_key
from keepline.monitor.alerts.incidents import Fact, Incident
from keepline.monitor.findings import Severity
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

MOST_ADDRESSES: Final = 1_024
"""Addresses whose failures are remembered, each with a class; beyond it one that serves goes."""


class Suspensions:
    """Keyed by what makes handlers: a class, or the callable that failed to make one."""

    __slots__ = ("_by_address", "_by_kind", "_kinds", "_node", "_untried")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._by_kind: dict[object, Suspension[Session]] = {}
        self._by_address: dict[tuple[object, str], Suspension[Session]] = {}
        self._kinds: set[object] = set()  # of the sessions that have been begun
        self._untried: set[object] = set()  # of what is deserted, those of which that was told

    def __iter__(self) -> Iterator[tuple[str, Suspension[Session]]]:
        """Yield what has ever failed, with its name."""
        return iter([(kind_of(kind), each) for kind, each in self._by_kind.items()])

    def addresses(self) -> dict[str, list[str]]:
        """Return from which addresses it is suspended alone, for each that has ever failed."""
        now = self._node.ticker.now
        found: dict[str, list[str]] = {name: [] for name, _ in self}
        for (kind, address), each in self._by_address.items():
            if each.standing(now) is not Standing.SERVING:
                found[kind_of(kind)].append(address)
        return found

    def check_open(self, address: str) -> None:
        """Raise RefusedError when no handler would be given to a device that comes from there."""
        if not self._by_kind:
            return
        origin = self._origin(address)
        wait_s = self._wait_s(self._node.make_handler, origin)
        if wait_s is None:
            waits = [self._wait_s(kind, origin) for kind in self._kinds]
            known = [each for each in waits if each is not None]
            if not known or len(known) < len(waits):
                return
            wait_s = min(known)
        raise RefusedError(
            "its handler fails too often",
            CloseReason.HANDLER_UNAVAILABLE,
            retry_after_s=max(1, ceil(wait_s)),
        )

    def _wait_s(self, kind: object, origin: str) -> float | None:
        """Return when to come again; None when sessions of `kind` are begun."""
        now = self._node.ticker.now
        suspended = [each for each in self._of(kind, origin) if not each.may_begin(now)]
        return max((each.wait_s(now) for each in suspended), default=None)

    def begin(self, session: Session) -> None:
        """Note that a session begins. Raises SuspendedError when none of its kind is begun."""
        kind, maker = type(session.handler), self._node.make_handler
        self._kinds.add(kind)
        if not self._by_kind:
            return
        now, origin = self._node.ticker.now, self._origin(session.connection.address)
        if maker is not kind:
            self._made(maker, origin)
        standings = self._of(kind, origin)
        if not all(each.may_begin(now) for each in standings):
            raise SuspendedError(f"{kind_of(kind)} fails too often: no session is begun")
        for each in standings:
            each.begun(session, now)

    def failed(self, kind: object, device_id: str, address: str = "") -> None:
        """Count a failure of `kind`, with one device from there: capitals make no other."""
        node, now, device_id = self._node, self._node.ticker.now, folded(device_id)
        origin = self._origin(address)
        suspension = self._by_kind.get(kind)
        if suspension is None:
            suspension = self._by_kind[kind] = Suspension(node.settings.isolation)
        if suspension.failed(
            device_id, now, len(node.registry), origin, lambda most: self._works(kind, most)
        ):
            self._tell_suspended(kind)
        if origin:
            from_there = self._remembered(kind, origin)
            connected = node.arrivals.addresses.connections(address)
            if from_there.failed(
                device_id,
                now,
                connected,
                works=lambda most: self._works(kind, most, address, origin),
            ):
                self._tell_suspended(kind, origin)

    def each_second(self, now: float) -> None:
        """Look at the sessions that were begun to see whether it works again."""
        for kind, suspension in self._by_kind.items():
            if _is_proved(suspension, now):
                self._tell_resumed(kind)
            self._see_deserted(kind, suspension, now)
        for (kind, origin), suspension in list(self._by_address.items()):
            if _is_proved(suspension, now) or suspension.is_deserted(now):
                suspension.proved()
                self._tell_resumed(kind, origin)
            suspension.devices(now)
            if suspension.is_idle(now):
                del self._by_address[kind, origin]

    def _see_deserted(self, kind: object, suspension: Suspension[Session], now: float) -> None:
        """Tell once that nobody has come to try a class: nobody is refused, and nothing is known.

        Unlike an address it is not let in again by that: when all who were away for the same cause
        come back at once, a few are begun and not a tenth of them.
        """
        if not suspension.is_deserted(now):
            self._untried.discard(kind)
        elif kind not in self._untried:
            self._untried.add(kind)
            self._tell_over(kind, "handler_untried")

    # -- parts -----------------------------------------------------------------------------

    def _origin(self, address: str) -> str:
        """Return what counts as one, "" for who comes from this machine: that may be a proxy."""
        return address_key(address) if self._node.arrivals.addresses.bounds(address) else ""

    def _of(self, kind: object, origin: str) -> list[Suspension[Session]]:
        found = self._by_kind.get(kind), self._by_address.get((kind, origin))
        return [each for each in found if each is not None]

    def _remembered(self, kind: object, origin: str) -> Suspension[Session]:
        suspension = self._by_address.get((kind, origin))
        if suspension is None:
            if len(self._by_address) >= MOST_ADDRESSES:
                self._forget_one()
            suspension = Suspension(self._node.settings.isolation)
            self._by_address[kind, origin] = suspension
        return suspension

    def _forget_one(self) -> None:
        """Forget an address, of those that are served the first if there is one."""
        now, all_of_them = self._node.ticker.now, self._by_address.items()
        served = (key for key, each in all_of_them if each.standing(now) is Standing.SERVING)
        key = next(served, None)
        if key is not None:
            del self._by_address[key]
            return
        key = next(iter(self._by_address))
        del self._by_address[key]
        self._tell_resumed(*key)

    def _made(self, maker: object, origin: str) -> None:
        """A handler was made: nothing else is to be seen of what makes them, if it is no class."""
        now = self._node.ticker.now
        everywhere, there = self._by_kind.get(maker), self._by_address.get((maker, origin))
        for where, suspension in (("", everywhere), (origin, there)):
            if suspension is not None and suspension.standing(now) is Standing.PROBING:
                suspension.proved()
                self._tell_resumed(maker, where)

    def _works(self, kind: object, enough: int, address: str = "", origin: str = "") -> bool:
        """Return whether `kind` works with as many devices just now, or as many from there.

        Of who comes from `address` itself it is clear that it is of that origin.
        """
        since = self._node.ticker.now - WORKED_S
        for session in self._node.registry:
            if not _works(session, kind, since):
                continue
            where = session.connection.address
            if where != address and origin and address_key(where) != origin:
                continue
            enough -= 1
            if enough <= 0:
                return True
        return False

    # -- telling ---------------------------------------------------------------------------

    def _tell_suspended(self, kind: object, origin: str = "") -> None:
        limits, name = self._node.settings.isolation, kind_of(kind)
        fields: dict[str, object] = {
            "handler": name,
            "devices": limits.failing_devices,
            "within_s": limits.failing_within_s,
            "for_s": limits.suspended_for_s,
            **({"address": origin} if origin else {}),
        }
        self._node.log.error("handler_suspended", **fields)
        self._node.hub.emit("", "handler_suspended", json.encode(fields))
        if origin:
            self._tell_of_addresses(name)
        else:
            told = f"{name} fails: no session is begun, or a few to see"
            fact = Fact(told, limits.failing_devices)
            self._node.incidents.raised(Incident.HANDLER_SUSPENDED, fact, name)

    def _tell_resumed(self, kind: object, origin: str = "") -> None:
        self._tell_over(kind, "handler_resumed", origin)

    def _tell_over(self, kind: object, event: str, origin: str = "") -> None:
        name = kind_of(kind)
        fields = {"handler": name, **({"address": origin} if origin else {})}
        self._node.log.warning(event, **fields)
        self._node.hub.emit("", event, json.encode(fields))
        if origin:
            self._tell_of_addresses(name)
        else:
            self._node.incidents.cleared(Incident.HANDLER_SUSPENDED, name)

    def _tell_of_addresses(self, name: str) -> None:
        """Have one incident for all of them: there may be many."""
        scope, addresses = f"{name} by address", self.addresses()[name]
        if not addresses:
            self._node.incidents.cleared(Incident.HANDLER_SUSPENDED, scope)
            return
        more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
        told = f"{name} fails with who comes from {addresses[0]}{more}: no session is begun there"
        fact = Fact(told, len(addresses), severity=Severity.MEDIUM)
        self._node.incidents.raised(Incident.HANDLER_SUSPENDED, fact, scope)


def _is_proved(suspension: Suspension[Session], now: float) -> bool:
    """Have a suspension end when one of its probes went well; return whether that is now."""
    for probe, since in suspension.probes():
        if _has_proved(probe, now - since, suspension):
            suspension.proved()
            return True
    return False


def _has_proved(probe: Session, lived_s: float, suspension: Suspension[Session]) -> bool:
    """Whether a session shows that its kind works: it took a message, and is done with it."""
    connection = probe.connection
    if connection.lifecycle.reason is not None:
        suspension.left(probe)
        return False
    heard = connection.last_activity > probe.opened_at
    busy = probe in connection.node.isolation.deadlines
    return not busy and (heard or lived_s >= connection.node.settings.isolation.suspended_for_s)


def _works(session: Session, kind: object, since: float) -> bool:
    """Whether a session has taken a message since then and is done with it.

    Of what could not even be made each that was begun since then shows as much.
    """
    connection = session.connection
    if connection.lifecycle.reason is not None:
        return False
    if type(session.handler) is not kind:
        return not isinstance(kind, type) and session.opened_at > since
    heard = connection.last_activity > max(since, session.opened_at)
    return heard and session not in connection.node.isolation.deadlines
