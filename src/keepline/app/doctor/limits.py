"""Open files, memory and processor time, beside what a full gateway needs."""

from __future__ import annotations

import resource
from math import ceil
from typing import TYPE_CHECKING, Final

from keepline.app.descriptors import OTHER_DESCRIPTORS, wanted_descriptors
from keepline.app.doctor.diagnosis import Diagnosis, ok, problem, warning
from keepline.monitor.capacity.costs import MEMORY
from keepline.monitor.capacity.forecast import KERNEL_BYTES, MEMORY_SHARE
from keepline.monitor.process.cgroup import OUR_GROUPS, cores_limit
from keepline.monitor.process.procfs import limit_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from keepline.settings import Settings
    from keepline.settings.server import Server

MIB: Final = 1 << 20
BARE_BYTES: Final = 80 * MIB
"""What a gateway takes before anybody comes."""

TALK_SHARE: Final = 0.1
"""How much of a full gateway is taken to talk."""

LEAST_CORES: Final = 1.0


def open_files(settings: Settings, hard: int | None = None) -> Diagnosis:
    """Return whether the hard limit, which `serve` raises its own to, is enough."""
    wanted = wanted_descriptors(settings.server)
    if hard is None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        allowed = "no limit" if hard == resource.RLIM_INFINITY else f"{hard} are allowed"
        return ok("open files", f"{allowed}, a full gateway needs {wanted}")
    return problem(
        "open files",
        f"{hard} are allowed, a full gateway needs {wanted}: who comes beyond is refused",
        f"allow more (LimitNOFILE={wanted} in a unit of systemd, `ulimit -n {wanted}` in a shell,"
        f" ulimits.nofile of a container){_lowered(settings.server, hard)}",
    )


def _lowered(server: Server, hard: int) -> str:
    both = hard - OTHER_DESCRIPTORS
    if both > server.max_admissions:
        return f", or lower server.max_connections to {both - server.max_admissions}"
    if both > 1:
        return f", or lower server.max_connections and server.max_admissions to {both} together"
    return ""


def memory(settings: Settings, root: Path) -> Diagnosis:
    """Return whether so many devices as are let in fit, with a handler that does little."""
    limit, server = limit_bytes(root), settings.server
    devices = server.max_connections * server.workers
    if limit is None:
        return ok("memory", "this machine does not tell its limit")
    each = KERNEL_BYTES + MEMORY.of((1.0, TALK_SHARE, 0.0)).each
    bare = BARE_BYTES * server.workers
    needed, usable = bare + devices * each, MEMORY_SHARE * limit
    found = (
        f"{limit // MIB} MiB are allowed, {devices} devices of a handler that does little need"
        f" {needed / MIB:.0f} MiB"
    )
    if needed <= usable:
        return ok("memory", found)
    fitting = int((usable - bare) / each) // server.workers
    lowered = f"lower server.max_connections to {fitting}, or " if fitting >= 1 else ""
    advice = (
        f"{lowered}allow {ceil(needed / MEMORY_SHARE / MIB)} MiB (MemoryMax, a container's limit):"
        " a quarter is for a crowd that comes back at once"
    )
    return (warning if needed <= limit else problem)("memory", found, advice)


def cores(root: Path) -> Diagnosis:
    """Return whether a control group takes the loop its core away now and then."""
    share = cores_limit(root)
    if share is None and not (root / OUR_GROUPS).exists():
        return ok("processor", "this machine does not tell its quota")
    if share is None:
        return ok("processor", "no quota stops it")
    if share >= LEAST_CORES:
        return ok("processor", f"{share:g} cores are allowed")
    return warning(
        "processor",
        f"{share:g} of a core are allowed: when they are used, everybody waits, pings too",
        "allow one core or more (CPUQuota, cpus, limits.cpu), or give it weight in place of a"
        " quota (CPUWeight, requests.cpu)",
    )
