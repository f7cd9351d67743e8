"""Our own process as Linux tells of it, below /proc."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keepline.monitor.process.cgroup import memory_limit_bytes
from keepline.monitor.process.reading import Reading

if TYPE_CHECKING:
    from keepline.monitor.process.reading import Threads

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1_024
_LISTED_AT_ONCE: Final = 500
_PAUSE_S: Final = 0.001
RESIDENT: Final = 1  # among the fields of `statm`
_USER, _SYSTEM, _STARTED = 11, 12, 19  # among those of `stat` that follow the name


class Procfs:
    """Reads a handful of small files, 0.1 ms; `root` is "/", or a tree that stands for it."""

    def __init__(self, threads: Threads, root: Path = Path("/")) -> None:
        self._threads = threads
        self._root = root
        self._self = root / "proc/self"
        self._pss_bytes: int | None = None
        self._memory_limit_bytes: int | None = None
        self._descriptors: int | None = None
        self._started_at = _started_at(root)

    def read(self, *, slow: bool) -> Reading:
        """Return how the process is now; see `reading.Reader`."""
        if slow:
            self._read_slowly()
        resident = self._field("statm", RESIDENT)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return Reading(
            memory_bytes=None if resident is None else resident * PAGE_BYTES,
            pss_bytes=self._pss_bytes,
            memory_limit_bytes=self._memory_limit_bytes,
            cpu_s=_cpu_s(self._self / "stat"),
            threads_s=self._threads_s(),
            started_at=self._started_at,
            descriptors=self._count_descriptors() or self._descriptors,
            descriptor_limit=None if limit == resource.RLIM_INFINITY else limit,
        )

    def _read_slowly(self) -> None:
        # The kernel walks every page for the first, and may list every descriptor for the last.
        self._pss_bytes = _kib_in(self._self / "smaps_rollup", "Pss:")
        self._memory_limit_bytes = limit_bytes(self._root)
        if not self._count_descriptors():
            self._descriptors = self._list_descriptors()

    def _count_descriptors(self) -> int:
        """Return what Linux says from 6.2 on without a list of them; 0 before."""
        try:
            return (self._self / "fd").stat().st_size
        except OSError:
            return 0

    def _list_descriptors(self) -> int | None:
        """Count them one by one, for kernels before 6.2.

        The lock of the interpreter goes to and fro at each, so that a list of 15,000 in one go
        stands in the way of the loop for 12 ms. Hence the pauses.
        """
        pause = threading.Event()
        count = 0
        try:
            with os.scandir(self._self / "fd") as listed:
                for count, _ in enumerate(listed, start=1):
                    if count % _LISTED_AT_ONCE == 0:
                        pause.wait(_PAUSE_S)
        except OSError:
            return None
        return count

    def _threads_s(self) -> dict[str, float]:
        used_s: dict[str, float] = {}
        for number, group in self._threads().items():
            cpu_s = _cpu_s(self._self / f"task/{number}/stat")
            if cpu_s is not None:
                used_s[group] = used_s.get(group, 0.0) + cpu_s
        return used_s

    def _field(self, name: str, position: int) -> int | None:
        try:
            return int((self._self / name).read_bytes().split()[position])
        except (OSError, ValueError, IndexError):
            return None


def limit_bytes(root: Path) -> int | None:
    """Return how much memory there may be at most, of our groups or of the machine."""
    machine = _kib_in(root / "proc/meminfo", "MemTotal:")
    known = [limit for limit in (machine, memory_limit_bytes(root)) if limit is not None]
    return min(known, default=None)


def _cpu_s(stat: Path) -> float | None:
    """Return user and system time; the name before them may hold spaces and brackets."""
    try:
        fields = stat.read_bytes().rpartition(b")")[2].split()
        return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_S
    except (OSError, ValueError, IndexError):
        return None


def _started_at(root: Path) -> float | None:
    """Return the wall time at which the process began, to a second."""
    try:
        fields = (root / "proc/self/stat").read_bytes().rpartition(b")")[2].split()
        lines = (root / "proc/stat").read_text("ascii").splitlines()
        [booted_at] = [int(line.split()[1]) for line in lines if line.startswith("btime ")]
        return booted_at + int(fields[_STARTED]) / _TICKS_PER_S
    except (OSError, ValueError, IndexError):
        return None


def _kib_in(file: Path, name: str) -> int | None:
    """Return the bytes in the line that begins with `name` and counts in KiB."""
    try:
        for line in file.read_text("ascii", "replace").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * _KIB
    except (OSError, ValueError, IndexError):
        pass
    return None
