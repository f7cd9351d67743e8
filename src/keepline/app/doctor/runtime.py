"""What Keepline runs on: the event loop, the allocator, the clock."""

from __future__ import annotations

import ctypes
import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Final

from keepline.app.doctor.diagnosis import Diagnosis, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BUILT_IN_2025: Final = 1_735_689_600.0
"""A clock that is before it was never set: this program is younger."""

_TIMEX_BYTES: Final = 512  # more than `struct timex` has; zeros ask, and change nothing
UNSYNCHRONISED: Final = 5  # TIME_ERROR of adjtimex(2)


def event_loop() -> Diagnosis:
    """Return whether the loop that everything is measured on is installed."""
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    missing = [name for name in ("uvloop", "httptools") if not _version_of(name)]
    if not missing:
        return ok("event loop", f"uvloop {_version_of('uvloop')} on {python}")
    return problem(
        "event loop",
        f"{' and '.join(missing)} not installed for {python}",
        f"{sys.executable} -m pip install {' '.join(missing)}",
    )


def allocator(jemalloc: Path | None, environment: Mapping[str, str] | None = None) -> Diagnosis:
    """Return whether memory goes back without holding anybody up; `jemalloc` is where it is."""
    environment = os.environ if environment is None else environment
    chosen = [name for name in ("PYTHONMALLOC", "LD_PRELOAD") if name in environment]
    if chosen:
        return ok("allocator", f"as {' and '.join(chosen)} has it")
    if jemalloc is not None:
        return ok("allocator", f"{jemalloc}, which gives memory back little by little")
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        return ok("allocator", "Python's own: this system's cannot give memory back")
    return warning(
        "allocator",
        "the C library's: it holds everybody up while it gives back the memory of a crowd",
        "install jemalloc (Debian, Ubuntu: apt install libjemalloc2; Fedora: dnf install jemalloc):"
        " it is used from the next start on",
    )


def clock(wall: float, state: int | None) -> Diagnosis:
    """Return whether the time of day can be believed; `state` is what the kernel says of it."""
    if wall < BUILT_IN_2025:
        return problem(
            "clock",
            "it was never set: tokens and certificates are judged by it",
            "set it, and have it kept: timedatectl set-ntp true",
        )
    if state == UNSYNCHRONISED:
        return warning(
            "clock",
            "nothing keeps it right: tokens, certificates and what devices may resume are judged"
            " by it",
            "timedatectl set-ntp true, or chrony; in a container or a virtual machine look at the"
            " host",
        )
    return ok("clock", "it is kept right" if state is not None else "set; who keeps it is not told")


def clock_state() -> int | None:
    """Return what the kernel says of its clock; None where it does not tell."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return None
    state = int(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return state if state >= 0 else None


def _version_of(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
