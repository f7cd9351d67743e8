"""The whole examination, in the order in which it is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keepline.app.doctor import door, kernel, limits, runtime, storage
from keepline.app.doctor.enrolment import enrolment

if TYPE_CHECKING:
    from keepline.app.doctor.diagnosis import Diagnosis
    from keepline.clock import Clock
    from keepline.settings import Settings


def examine(
    settings: Settings,
    clock: Clock,
    jemalloc: Path | None,
    root: Path = Path("/"),
    *,
    judge: Diagnosis | None = None,
) -> list[Diagnosis]:
    """Look at everything; nothing is changed. `root` is "/", or a tree that stands for it.

    `judge` is what is said of who judges devices in place of the settings.
    """
    server, admin = settings.server, settings.admin
    found = [
        limits.open_files(settings),
        limits.memory(settings, root),
        limits.cores(root),
        kernel.listen_queue(settings, root),
        kernel.keepalive(settings, root),
        kernel.tracked(settings, root),
        runtime.event_loop(),
        runtime.allocator(jemalloc),
        runtime.clock(clock.wall(), runtime.clock_state()),
        storage.state(settings, root),
        door.port("devices' port", server.host, server.port, settings),
        door.port("operators' port", admin.host, admin.port, settings),
        door.tls(settings, clock.wall()),
        judge or door.devices_token(settings),
        door.operators_token(settings),
        enrolment(settings, judges=judge is None),
    ]
    if settings.upstream.urls:
        found.append(kernel.own_ports(settings, root))
    return found
