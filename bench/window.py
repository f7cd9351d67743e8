"""One stretch of measuring: what server, load and the rest of the machine used meanwhile."""

from __future__ import annotations

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
_SHORT_S = 0.5  # below it, the machine's 10 ms ticks say nothing


class Window:
    """A `with` block; the attributes are set when it ends."""

    def __init__(self, server: Server, loads: Sequence[Load], beside: Sequence[Load] = ()) -> None:
        """`beside` are processes of ours that measure nothing: no strangers, and free to press."""
        self._server_pid = server.pid
        self._load_pids = [load.pid for load in loads]
        self._beside_pids = [load.pid for load in beside]
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
        wall, machine, own, server, loads, beside = self._read()
        wall_before, machine_before, own_before, server_before, loads_before, beside_before = (
            self._before
        )
        self.wall_ns = wall - wall_before
        self.server = server.since(server_before)
        self.server_share = self.server.ran_ns / self.wall_ns
        self.load_shares = [
            now.since(then).ran_ns / self.wall_ns
            for now, then in zip(loads, loads_before, strict=True)
        ]
        beside_ns = sum(
            now.since(then).ran_ns for now, then in zip(beside, beside_before, strict=True)
        )
        ours_ns = own - own_before + beside_ns
        ours = self.server_share + sum(self.load_shares) + ours_ns / self.wall_ns
        foreign = max(0.0, (machine - machine_before) / self.wall_ns - ours)
        self.foreign_share = foreign if self.wall_ns > _SHORT_S * 1e9 else 0.0

    def facts(self) -> dict[str, float]:
        """In cores; the waiting as a share of the window's time."""
        return {
            "window_s": round(self.wall_ns / 1e9, 3),
            "server_cores": round(self.server_share, 3),
            "generator_cores": round(max(self.load_shares), 3),
            "foreign_cores": round(self.foreign_share, 3),
            "server_waited_share": round(self.server.waited_ns / self.wall_ns, 3),
        }

    def _read(self) -> tuple[int, int, int, Cpu, list[Cpu], list[Cpu]]:
        return (
            time.monotonic_ns(),
            machine_busy_ns(),
            time.process_time_ns(),
            cpu(self._server_pid),
            [cpu(pid) for pid in self._load_pids],
            [cpu(pid) for pid in self._beside_pids],
        )


def merged(
    windows: Sequence[Window], *, of_latency: bool = False
) -> tuple[dict[str, float], list[str]]:
    """The worst facts of several windows, and why not to trust what was read in them."""
    facts: dict[str, float] = {}
    for window in windows:
        for name, value in window.facts().items():
            facts[name] = max(value, facts.get(name, 0.0))
    doubts = []
    if of_latency and facts["generator_cores"] > SATURATED:
        doubts.append(f"generator saturated ({facts['generator_cores']:.0%} of a core)")
    if facts["foreign_cores"] > CROWDED:
        doubts.append(f"others used up to {facts['foreign_cores']:.1f} cores")
    if facts["server_waited_share"] > STARVED:
        waited = facts["server_waited_share"]
        doubts.append(f"server waited for a core up to {waited:.0%} of the time")
    return facts, doubts
