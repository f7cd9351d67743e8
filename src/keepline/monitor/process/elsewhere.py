"""Our own process where there is no /proc, as on macOS: what POSIX tells, and no more."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from keepline.monitor.process.procfs import Procfs
from keepline.monitor.process.reading import Reading

if TYPE_CHECKING:
    from keepline.monitor.process.reading import Reader, Threads


class Elsewhere:
    """Knows CPU, descriptors and the machine's memory.

    Not how much memory the process has: POSIX tells the most it ever had, which is something else.
    """

    def __init__(self, descriptors: Path = Path("/dev/fd")) -> None:
        self._descriptors = descriptors

    def read(self, *, slow: bool) -> Reading:  # noqa: ARG002 (nothing here is slow)
        """Return how the process is now; see `reading.Reader`."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return Reading(
            memory_bytes=None,
            pss_bytes=None,
            memory_limit_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            cpu_s=used.ru_utime + used.ru_stime,
            threads_s={},
            started_at=None,
            descriptors=self._count_descriptors(),
            descriptor_limit=None if limit == resource.RLIM_INFINITY else limit,
        )

    def _count_descriptors(self) -> int | None:
        try:
            return sum(1 for _ in self._descriptors.iterdir())
        except OSError:
            return None


def reader_of(threads: Threads, root: Path = Path("/")) -> Reader:
    """Return who can read our own process on this machine."""
    return Procfs(threads, root) if (root / "proc/self/statm").exists() else Elsewhere()
