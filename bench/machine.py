"""Facts about where a run was made, without which its figures mean nothing."""

from __future__ import annotations

import os
import platform
import resource
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.candidates import Candidate


def machine() -> dict[str, Any]:
    """The machine, as far as figures depend on it. No names of hosts, users or folders."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_kib": int(_first("/proc/meminfo", "MemTotal").split()[0]),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libc": "-".join(platform.libc_ver()),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "load_before": os.getloadavg()[0],
        "huge_pages": _text("/sys/kernel/mm/transparent_hugepage/enabled"),
    }


def packages(candidates: list[Candidate]) -> dict[str, str]:
    """Versions of everything that was measured."""
    names = {"keepline"} | {name for candidate in candidates for name in candidate.packages}
    found = {}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _first(path: str, field: str) -> str:
    for line in _text(path).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return "unknown"


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "unknown"
