"""PURE: what a session, a ping, a frame and a handshake cost this process, out of its samples."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.capacity.fit import Cost, Fit, expecting, fit

if TYPE_CHECKING:
    from collections.abc import Iterable

KIB: Final = 1_024.0

MEMORY: Final = expecting(
    Cost(3 * KIB, 32 * KIB), Cost(4 * KIB, 32 * KIB), Cost(0.6 * KIB, 32 * KIB)
)
"""Of a session, what one that talks takes more, and what stays of one that has left.

This repository's bench, and echo. The spreads are wide, here and below, as handlers are what
differs.
"""

CPU: Final = expecting(Cost(30e-6, 30e-6), Cost(6.5e-6, 2e-3), Cost(250e-6, 5e-3))
"""Seconds of a ping, a frame, a handshake."""

MEMORY_NOISE_BYTES: Final = 256 * KIB
CPU_NOISE_S: Final = 0.004  # in a second: the system counts hundredths, over five seconds

KNOWN_WITHIN: Final = 0.15


class Observed(NamedTuple):
    """One sample: NaN for what this machine does not tell; `cpu` is of the loop, 0 to 1.

    There are `fewer` sessions than there were at the most before.
    """

    sessions: float
    talking: float
    fewer: float
    memory_bytes: float
    cpu: float
    pings_per_s: float
    frames_per_s: float
    handshakes_per_s: float


class Costs(NamedTuple):
    """Bytes of a session, more of one that talks, and those that one leaves behind.

    Seconds of a ping, a frame, a handshake.
    """

    memory: Fit = MEMORY
    cpu: Fit = CPU

    def by_name(self) -> dict[str, Cost]:
        """Return each by the name under which it is told."""
        names = ("session_bytes", "talk_bytes", "left_bytes", "ping_s", "frame_s", "handshake_s")
        return dict(zip(names, (*self.memory.costs, *self.cpu.costs), strict=True))


def learn(observed: Iterable[Observed]) -> Costs:
    """Return what things cost, as far as it was seen; the rest is what is expected."""
    rows = list(observed)
    memory = [row for row in rows if not isnan(row.memory_bytes + row.sessions + row.talking)]
    work = [row for row in rows if not isnan(sum(row[4:]))]
    return Costs(
        fit(
            [(row.sessions, row.talking, row.fewer) for row in memory],
            [row.memory_bytes for row in memory],
            MEMORY,
            MEMORY_NOISE_BYTES,
        ),
        fit(
            [(row.pings_per_s, row.frames_per_s, row.handshakes_per_s) for row in work],
            [row.cpu for row in work],
            CPU,
            CPU_NOISE_S,
        ),
    )
