"""Who is on the way in: so many take a step in a turn of the loop; the rest wait."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Final

from keepline.gateway.governor.batch import Batch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


BEHIND: Final = 512
"""While so many wait for the hub, or for their session to be opened, nobody else is accepted."""


class Step(IntEnum):
    """What costs about a tenth of a millisecond of each who comes."""

    ACCEPT = 0
    JUDGE = 1
    OPEN = 2


class Crowd:
    """Counts the steps of this turn of the loop.

    `on_turn` is called in each turn that follows one with a step in it. `claiming` counts who waits
    for the hub, or for a session to be opened. What is not `bounded` takes as many as come.
    """

    __slots__ = (
        "_armed",
        "_batch",
        "_began_s",
        "_cpu",
        "_held_back",
        "_loop",
        "_opening",
        "_used",
        "_woken",
        "claiming",
        "on_turn",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, cpu: Callable[[], float], *, bounded: bool
    ) -> None:
        self._loop = loop
        self._cpu = cpu
        self._batch = Batch() if bounded else None
        self._armed = False
        self._began_s = 0.0
        self._used = [0] * len(Step)
        self._opening: deque[asyncio.Future[None]] = deque()
        self._woken = 0  # whose turn it is, and who have not run yet
        self._held_back: list[Callable[[], None]] = []
        self.claiming = 0
        self.on_turn: Callable[[], None] = lambda: None

    @property
    def per_turn(self) -> float:
        """How many take a step in a turn of the loop."""
        return inf if self._batch is None else self._batch.size

    def left(self, step: Step) -> float:
        """Return how many more may take that step in this turn."""
        return inf if self._batch is None else self._batch.size - self._used[step]

    def use(self, step: Step, count: int = 1) -> None:
        """So many have taken that step in this turn."""
        if self._batch is not None:
            self._used[step] += count
            self.expect_turn()

    def expect_turn(self) -> None:
        """Have `on_turn` be called when the loop has gone round."""
        if not self._armed:
            self._armed = True
            self._began_s = self._cpu()
            self._loop.call_soon(self._next_turn)

    async def opening(self) -> None:
        """Return at once as long as this turn has time for another session, else in a later one.

        Always in the order of asking: two may have claimed one device, and the newer is to win.
        """
        if not self._opening and not self._woken and self.left(Step.OPEN) > 0:
            self.use(Step.OPEN)
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        self._opening.append(turn)
        self.expect_turn()
        try:
            await turn
        finally:
            if turn.done() and not turn.cancelled():
                self._woken -= 1

    # -- who has to wait in the kernel -----------------------------------------------------

    @property
    def is_behind(self) -> bool:
        """Whether so many are let in and not opened yet that nobody else should be accepted.

        Accepted, they would wait all the same, and the hub's thread for the interpreter with them.
        Who is not let in yet does not count: it could be anybody.
        """
        return self._batch is not None and self.claiming >= BEHIND

    def hold_back(self, go_on: Callable[[], None]) -> None:
        """Accept nobody now; `go_on` is called when half of those who wait have come in."""
        self._held_back.append(go_on)

    def let_go_on(self) -> None:
        """Accept again, if it is time for that."""
        if self._held_back and self.claiming < BEHIND / 2:
            held_back, self._held_back = self._held_back, []
            for go_on in held_back:
                go_on()

    def _next_turn(self) -> None:
        now_s = self._cpu()
        if self._batch is not None:
            self._batch.note(now_s - self._began_s, max(self._used))
        self._began_s = now_s
        self._armed = False
        self._used = [0] * len(Step)
        while self._opening and self.left(Step.OPEN) > 0:
            turn = self._opening.popleft()
            if not turn.done():
                self.use(Step.OPEN)
                self._woken += 1
                turn.set_result(None)
        self.on_turn()
        if self._opening:
            self.expect_turn()
