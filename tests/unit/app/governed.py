"""A node whose governor does as it is told, for tests of what is done about alerts."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from keepline.app.deeds import Deeds
from keepline.clock import ManualClock
from keepline.gateway.governor.actions import Action, Change
from keepline.gateway.governor.orders import Orders
from keepline.gateway.governor.signals import Seen, Signal
from keepline.gateway.node import Node as RealNode
from keepline.hub.port import Writing
from keepline.monitor.alerts.alert import Alert, Status
from keepline.monitor.findings import Severity
from keepline.monitor.metrics import Counters
from keepline.settings import Settings

WALL = 1_800_000_000.0
PRESSED = Seen(lag_s=0.3, memory_share=0.92, queued_bytes=8 << 20, standing_s=0.0)
BETTER = Seen(lag_s=0.1, memory_share=0.81, queued_bytes=1 << 20, standing_s=0.0)


class Node:
    """A governor that does as it is told, counters, and a clock that is moved by hand."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.clock = ManualClock(wall=WALL)
        self.counters = Counters()
        self.settings = Settings.model_validate(settings or {})
        self.judge = SimpleNamespace(stretch=1.0)
        self.hub = SimpleNamespace(writing=lambda: Writing(12, 3 << 20, 0, 0.0, events_lost=7))
        self.governor = SimpleNamespace(
            seen=PRESSED,
            pressures=dict.fromkeys(Signal, 0.3),
            off=set(),
            orders=Orders(),
            shed=0,
            newcomers=SimpleNamespace(held=0, refused=0),
            on_change=None,
        )
        self.numbers: dict[tuple[str, str], int] = {}
        self.deeds = Deeds(cast("RealNode", self))

    def begins(self, action: Action, reason: str = "memory") -> None:
        self.governor.on_change(Change(action, None, 0.5, reason))

    def ends(self, action: Action) -> None:
        self.governor.on_change(Change(action, 0.5, None, "calm"))

    def told(self, about: str, kind: str = "threshold", since: float = WALL) -> list[str]:
        """Return what was done about an alert that has been open since a time."""
        number = self.numbers.setdefault((about, kind), len(self.numbers))
        account = self.deeds.account(alert(about, kind, since, number))
        done = [f"{each.action}: {each.effect}" for each in account.actions]
        return done or [f"nothing, {account.undone}"]


def alert(about: str, kind: str, since: float = WALL, number: int = 1) -> Alert:
    return Alert(
        number=number,
        about=about,
        kind=kind,
        scope="",
        status=Status.OPEN,
        severity=Severity.HIGH,
        detail="",
        value=None,
        limit=None,
        exhausted_in_s=None,
        since=since,
        updated_at=since,
        advice="",
    )
