"""One stretch of measuring: what server, load and the rest of the machine used meanwhile."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Self

from bench.procfs import Cpu, cpu, machine_busy_ns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from bench.processes import Load, Server

SATURATED = 0.9  # of a core: from here on, the generator may be what is measured
CROWDED = 0.3  # of a core, used by others: from here on, latencies and CPU are doubtful
STARVED = 0.2  # time the server waited for a core, as a share of the window


class Window:
    """A `with` block; the attributes are set when it ends."""

    def __init__(self, server: Server, loads: Sequence[Load]) -> None:
        self._server_pid = server.pid
        self._load_pids = [load.pid for load in loads]
        self.server = Cpu(0, 0)
        self.wall_ns = 0

    def __enter__(self) -> Self:
        self._before = self._read()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        wall, machine, own, server, loads = self._read()
        wall_before, machine_before, own_before, server_before, loads_before = self._before
        self.wall_ns = wall - wall_before
        self.server = server.since(server_before)
        self.server_share = self.server.ran_ns / self.wall_ns
        self.load_shares = [
            now.since(then).ran_ns / self.wall_ns
            for now, then in zip(loads, loads_before, strict=True)
        ]
        ours = self.server_share + sum(self.load_shares) + (own - own_before) / self.wall_ns
        self.foreign_share = max(0.0, (machine - machine_before) / self.wall_ns - ours)

    def facts(self) -> dict[str, float]:
        """Shares of one core, and of the window's time for the waiting."""
        return {
            "window_s": round(self.wall_ns / 1e9, 3),
            "server_cores": round(self.server_share, 3),
            "generator_cores": round(max(self.load_shares), 3),
            "foreign_cores": round(self.foreign_share, 3),
            "server_waited_share": round(self.server.waited_ns / self.wall_ns, 3),
        }

    def doubts(self, *, of_latency: bool) -> list[str]:
        """Why not to trust what was read in this window; the generator matters to latency only."""
        found = []
        if of_latency and max(self.load_shares) > SATURATED:
            found.append(f"generator saturated ({max(self.load_shares):.0%} of a core)")
        if self.foreign_share > CROWDED:
            found.append(f"others used {self.foreign_share:.1f} cores")
        if self.server.waited_ns / self.wall_ns > STARVED:
            found.append(
                f"waited for a core {self.server.waited_ns / self.wall_ns:.0%} of the time"
            )
        return found

    def _read(self) -> tuple[int, int, int, Cpu, list[Cpu]]:
        return (
            time.monotonic_ns(),
            machine_busy_ns(),
            time.process_time_ns(),
            cpu(self._server_pid),
            [cpu(pid) for pid in self._load_pids],
        )


def merged(
    windows: Sequence[Window], *, of_latency: bool = False
) -> tuple[dict[str, float], list[str]]:
    """The worst facts and all different doubts of several windows."""
    facts: dict[str, float] = {}
    for window in windows:
        for name, value in window.facts().items():
            facts[name] = max(value, facts.get(name, 0.0))
    doubts = [doubt for window in windows for doubt in window.doubts(of_latency=of_latency)]
    return facts, sorted(set(doubts))


def cores() -> int:
    """How many cores this run may use."""
    return len(os.sched_getaffinity(0))
