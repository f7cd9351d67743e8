"""What this process holds of the memory it may have, cheap enough for four times a second."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from keepline.monitor.process.procfs import PAGE_BYTES, RESIDENT, limit_bytes

LIMIT_EACH_S: Final = 60.0
"""How often the limit is read, half a millisecond: hardly anybody ever changes it."""

_STATM_BYTES: Final = 128


class Resident:
    """Reads one line of a file that stays open, 3 us; without /proc nothing is known."""

    __slots__ = ("_fd", "_limit_at", "_limit_bytes", "_root")

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._fd: int | None = None
        self._limit_at: float | None = None
        self._limit_bytes: int | None = None

    def share_of_limit(self, now: float) -> float | None:
        """Return resident memory as a share of the limit, None where that is not told."""
        if self._limit_at is None or now - self._limit_at >= LIMIT_EACH_S:
            self._limit_at = now
            self._limit_bytes = limit_bytes(self._root)
        if not self._limit_bytes:
            return None
        try:
            if self._fd is None:
                self._fd = os.open(self._root / "proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            pages = int(os.pread(self._fd, _STATM_BYTES, 0).split()[RESIDENT])
        except (OSError, ValueError, IndexError):
            return None
        return pages * PAGE_BYTES / self._limit_bytes

    def close(self) -> None:
        """Let go of the file; idempotent, and it is opened again when it is needed."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
