"""What is read of a process at once, and who can read it on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Threads = Callable[[], Mapping[int, str]]
    """Returns which group a thread belongs to, by the number that the system has for it."""

LOOP: Final = "loop"
HUB: Final = "hub"
LOG: Final = "log"


class Reading(NamedTuple):
    """Of our own process, None for what this machine does not tell.

    `cpu_s` is what all threads have used since `started_at` (wall time), `threads_s` what each
    group has. What is slow to read (`pss_bytes`, limits) is that of the latest slow reading.
    """

    memory_bytes: int | None
    pss_bytes: int | None
    memory_limit_bytes: int | None
    cpu_s: float | None
    threads_s: Mapping[str, float]
    started_at: float | None
    descriptors: int | None
    descriptor_limit: int | None


class Reader(Protocol):
    """Reads our own process; for a thread, so that the loop waits for no file."""

    def read(self, *, slow: bool) -> Reading:
        """Return how it is now; `slow` reads also what takes milliseconds. Never raises."""
