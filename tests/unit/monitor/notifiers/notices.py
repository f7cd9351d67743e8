"""Notices for tests of who is told."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from keepline.monitor.alerts.alert import Action, Alert, Notice, Status, What
from keepline.monitor.findings import Severity

AT = 1_800_000_000.0

ALERT = Alert(
    number=7,
    about="memory_bytes",
    kind="threshold",
    scope="",
    status=Status.OPEN,
    severity=Severity.HIGH,
    detail="memory: 1,600 MB, the limit is 1,024 MB",
    value=1.6e9,
    limit=1.0e9,
    exhausted_in_s=None,
    since=AT,
    updated_at=AT + 5,
    advice="See what it is.",
    actions=(Action(AT, "idle buffers shrunk", "-12 MB"), Action(AT, "new devices wait")),
)


def notice(what: What = What.OPENED, **changes: Any) -> Notice:
    return Notice(what, replace(ALERT, **changes))
