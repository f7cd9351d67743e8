"""Virtual time: what is to happen when, one step after the other, always in the same order."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BEGIN_S: Final = 1_000.0


class Timeline:
    """`now` is in seconds; a step is one action that was carried out.

    Devices, network and faults act on it directly, a node through its `VirtualLoop`.
    """

    __slots__ = ("_heap", "_number", "loop", "now", "steps")

    def __init__(self) -> None:
        self.now = BEGIN_S
        self.steps = 0
        self._heap: list[tuple[float, int, Callable[[Any], object], Any]] = []
        self._number = 0
        self.loop: object = None  # the event loop that asyncio takes for the running one

    def __len__(self) -> int:
        """How much is still to happen; what was cancelled counts until its time has come."""
        return len(self._heap)

    def at(self, when: float, action: Callable[[Any], object], argument: Any = None) -> None:
        """Have `action(argument)` called at `when`; at the same time first come, first served."""
        self._number = number = self._number + 1
        heappush(self._heap, (when, number, action, argument))

    def interrupt(self, action: Callable[[Any], object]) -> None:
        """Have `action(None)` called in the next step, before everything else."""
        heappush(self._heap, (self.now, -1, action, None))

    def run(self, until: float, most_steps: int) -> bool:
        """Carry out what is due by `until`; False when `most_steps` came first."""
        heap = self._heap
        last = self.steps + most_steps
        while heap and heap[0][0] <= until:
            if self.steps >= last:
                return False
            self.now, _, action, argument = heappop(heap)
            self.steps += 1
            action(argument)
        self.now = max(self.now, until)
        return True
