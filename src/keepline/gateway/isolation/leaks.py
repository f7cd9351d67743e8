"""Who grows: a look at every session once in a while, a slice of them each second."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import json

from keepline.gateway.isolation.growth import LOOKS, NOTHING, Load, Trail, rises
from keepline.gateway.isolation.places import kind_of
from keepline.gateway.mistakes import is_application
from keepline.monitor.alerts.incidents import Fact, Incident

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

SLICE: Final = 1_000
"""Sessions that are looked at in a second."""

ROUND_S: Final = 15.0
"""How long a round takes at least. `LOOKS` rounds make a verdict."""

SHOWN: Final = 20
"""Owners in a report, of each kind, the largest first."""


class Owner(NamedTuple):
    """Who has something under way, how much, and which of it grows at every look."""

    name: str
    handler: str
    load: Load
    growing: tuple[str, ...]


class Leaks:
    """Follows sessions that have something under way, classes of handlers, and tasks of nobody's.

    An idle session is looked at and not remembered. Whether one grows is asked at its look: asked
    of a whole fleet at the end of a round it would take too long for one turn of the loop.
    """

    __slots__ = (
        "_at",
        "_began_at",
        "_growing",
        "_growing_now",
        "_kinds",
        "_kinds_now",
        "_node",
        "_sessions",
        "_sessions_now",
        "_told",
        "_wild",
    )

    def __init__(self, node: Node) -> None:
        self._node = node
        self._at = 0
        self._began_at = node.ticker.now
        self._sessions: dict[str, tuple[str, str, Trail]] = {}  # by session id: device, handler
        self._sessions_now: dict[str, tuple[str, str, Trail]] = {}
        self._growing: list[tuple[str, str, Trail]] = []
        self._growing_now: list[tuple[str, str, Trail]] = []
        self._kinds: dict[str, Trail] = {}
        self._kinds_now: dict[str, Load] = {}
        self._wild: dict[str, tuple[int, ...]] = {}
        self._told: set[str] = set()

    # -- the report ------------------------------------------------------------------------

    def sessions(self) -> list[Owner]:
        """Return the sessions with something under way: those that grow, then the largest."""
        found = [
            Owner(device_id, handler, trail.latest, trail.growing)
            for device_id, handler, trail in self._sessions.values()
        ]
        return sorted(found, key=_weight, reverse=True)[:SHOWN]

    def kinds(self) -> list[Owner]:
        """Return the classes of handlers, the same way."""
        found = [Owner(kind, kind, each.latest, each.growing) for kind, each in self._kinds.items()]
        return sorted(found, key=_weight, reverse=True)[:SHOWN]

    def wild(self) -> list[tuple[str, int, bool]]:
        """Return the tasks that no session has: by what they run, how many, whether they grow."""
        found = [(name, counts[-1], rises(list(counts))) for name, counts in self._wild.items()]
        return sorted(found, key=lambda each: (each[2], each[1]), reverse=True)[:SHOWN]

    # -- the looks -------------------------------------------------------------------------

    def each_second(self, now: float) -> None:
        """Look at the next slice; after the last one, say who grows, and begin a new round."""
        registry = self._node.registry
        if self._at < len(registry):
            for session in islice(registry, self._at, self._at + SLICE):
                self._look_at(session)
            self._at += SLICE
        elif now - self._began_at >= ROUND_S:
            self._end_round()
            self._at, self._began_at = 0, now

    def _look_at(self, session: Session) -> None:
        load = session.load()
        if load == NOTHING:
            return
        kind = kind_of(type(session.handler))
        self._kinds_now[kind] = self._kinds_now.get(kind, NOTHING).plus(load)
        session_id = session.session_id
        *_, trail = self._sessions.get(session_id, (Trail(),))
        seen = (session.device_id, kind, trail.then(load))
        self._sessions_now[session_id] = seen
        if seen[2].growing:
            self._growing_now.append(seen)

    def _end_round(self) -> None:
        self._sessions, self._sessions_now = self._sessions_now, {}
        self._growing, self._growing_now = self._growing_now, []
        self._kinds = {
            kind: self._kinds.get(kind, Trail()).then(self._kinds_now.get(kind, NOTHING))
            for kind in {*self._kinds, *self._kinds_now}
        }
        self._kinds_now = {}
        counted = Counter(wild_tasks(self._node.loop))
        self._wild = {
            name: (*self._wild.get(name, ()), count)[-LOOKS:] for name, count in counted.items()
        }
        self._tell()

    def _tell(self) -> None:
        """Tell of each owner once, for as long as it grows."""
        growing: set[str] = set()
        for device_id, handler, trail in self._growing:
            growing.add(device_id)
            self._tell_once(device_id, handler, trail.growing, trail.latest, device_id)
        for kind, trail in self._kinds.items():
            if what := trail.growing:
                growing.add(kind)
                self._tell_once(kind, kind, what, trail.latest)
        for name, counts in self._wild.items():
            if rises(list(counts)):
                growing.add(name)
                self._tell_once(name, "", ("tasks",), Load(counts[-1], 0, 0))
        self._told &= growing
        self._node.incidents.stands(Incident.LEAK, dict(self._facts()))

    def _facts(self) -> Iterator[tuple[str, Fact]]:
        """Yield what grows by who began it: of a class of handlers, the largest of its sessions."""
        for kind, trail in self._kinds.items():
            if what := trail.growing:
                yield kind, Fact(f"{', '.join(what)} of {kind} grow at every look")
        largest: dict[str, tuple[str, Trail]] = {}
        for device_id, handler, trail in self._growing:
            known = largest.get(handler)
            if known is None or trail.latest > known[1].latest:
                largest[handler] = device_id, trail
        for handler, (device_id, trail) in largest.items():
            named = ", ".join(trail.growing)
            yield handler, Fact(f"{named} of {handler} grow at every look, most with {device_id}")
        for name, counts in self._wild.items():
            if rises(list(counts)):
                yield name, Fact(f"tasks of {name} grow at every look: {counts[-1]}", counts[-1])

    def _tell_once(
        self, owner: str, handler: str, what: tuple[str, ...], load: Load, device_id: str = ""
    ) -> None:
        if owner in self._told:
            return
        self._told.add(owner)
        node = self._node
        told = {"owner": owner, "handler": handler, "grows": ", ".join(what), **load._asdict()}
        node.log.warning("leak_suspected", **told)
        node.hub.emit(device_id.lower(), "leak_suspected", json.encode(told))


def wild_tasks(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """Yield what every task runs that application code began by itself: name and FILE:LINE."""
    for task in asyncio.all_tasks(loop):
        code: Any = getattr(task.get_coro(), "cr_code", None)
        if code is not None and is_application(code.co_filename):
            yield f"{code.co_qualname} {code.co_filename}:{code.co_firstlineno}"


def _weight(owner: Owner) -> tuple[bool, int, int]:
    load = owner.load
    return bool(owner.growing), load.tasks + load.timers, load.queued_bytes
