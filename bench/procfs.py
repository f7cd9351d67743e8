"""What the kernel knows of a process tree: CPU time, memory, descriptors. Linux only."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC = Path("/proc")
_ENDED = (FileNotFoundError, ProcessLookupError)  # a child meanwhile, perhaps not waited for yet
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cpu:
    """Of all living threads of a tree: time on a core, and time runnable but waiting for one."""

    ran_ns: int
    waited_ns: int

    def since(self, earlier: Cpu) -> Cpu:
        return Cpu(self.ran_ns - earlier.ran_ns, self.waited_ns - earlier.waited_ns)


@dataclass(frozen=True)
class Memory:
    """Of a whole tree, in KiB."""

    rss_kib: int
    pss_kib: int
    private_dirty_kib: int


def tree(pid: int) -> Iterator[int]:
    """`pid` and all its descendants."""
    yield pid
    for children in _PROC.glob(f"{pid}/task/*/children"):
        with suppress(*_ENDED):
            for child in children.read_text().split():
                yield from tree(int(child))


def _told(pid: int, name: str) -> Iterator[str]:
    """What each of the tree says of itself; a child that has ended holds nothing."""
    yield (_PROC / str(pid) / name).read_text()
    for process in tree(pid):
        if process != pid:
            with suppress(*_ENDED):
                yield (_PROC / str(process) / name).read_text()


def cpu(pid: int) -> Cpu:
    """CPU time of the tree so far, in nanoseconds: schedstat, not the 10 ms ticks of `stat`."""
    ran_ns = waited_ns = 0
    for process in tree(pid):
        for schedstat in _PROC.glob(f"{process}/task/*/schedstat"):
            with suppress(*_ENDED):
                ran, waited, _ = schedstat.read_text().split()
                ran_ns += int(ran)
                waited_ns += int(waited)
    return Cpu(ran_ns, waited_ns)


def memory(pid: int) -> Memory:
    """What the tree holds now. Slow for large processes: the kernel walks its pages."""
    wanted = {"Rss:": 0, "Pss:": 0, "Private_Dirty:": 0}
    for told in _told(pid, "smaps_rollup"):
        for line in told.splitlines()[1:]:
            name, kib, *_ = line.split()
            if name in wanted:
                wanted[name] += int(kib)
    return Memory(wanted["Rss:"], wanted["Pss:"], wanted["Private_Dirty:"])


def resident_kib(pid: int) -> int:
    """RSS of the tree as the kernel counts it along: quick, however large the process is."""
    pages = sum(int(told.split()[1]) for told in _told(pid, "statm"))
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def highest_kib(pid: int) -> int:
    """The most that the RSS of this one process has been."""
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise LookupError(f"the kernel does not tell how large {pid} has been")


def open_files(pid: int) -> int:
    """Descriptors open in the tree."""
    count = 0
    for process in tree(pid):
        with suppress(*_ENDED):
            count += len(list((_PROC / str(process) / "fd").iterdir()))
    return count


def machine_busy_ns() -> int:
    """CPU time that anything on this machine has used so far, over all cores."""
    fields = [int(field) for field in (_PROC / "stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) * (1_000_000_000 // _TICKS_PER_S)


def raise_open_files_limit() -> int:
    """Let this process and its children open as many files as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
