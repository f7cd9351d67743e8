"""The drain of one node: asked for by a signal, a command or a program, and the same for all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from keepline.errors import DrainError
from keepline.gateway.drain.pace import AdmissionCost
from keepline.gateway.drain.progress import ENDABLE, NOTHING_YET, UNDER_WAY, Counts, Phase
from keepline.gateway.drain.sequence import Sequence
from keepline.gateway.drain.survey import plan_for, survey
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.drain.plan import Plan
    from keepline.gateway.drain.progress import Progress
    from keepline.gateway.node import Node
    from keepline.gateway.sending import Sending

FOLLOWED_S: Final = 2.0
"""Who follows a drain asks again within that."""


class Drain:
    """Begun once, however often it is asked for: `start` while it is under way joins it.

    It is the node's own, so who asked may go away and ask again. `on_refusing` is told when nobody
    is let in any more, and when somebody is again, `on_ended` when nobody is left.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.on_refusing: Callable[[bool], None] | None = None
        self.on_ended: Callable[[], None] | None = None
        self._hurried = False
        self.admissions = AdmissionCost()
        self.last_look = LastLook()
        self._sequence: Sequence | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_over = asyncio.Event()
        self._before = Counts()  # of aborted ones

    @property
    def phase(self) -> Phase:
        """What it is about."""
        return Phase.NONE if self._sequence is None else self._sequence.phase

    @property
    def is_leaving(self) -> bool:
        """Whether devices should be sent elsewhere."""
        return self.phase in UNDER_WAY or self.phase is Phase.ENDED

    @property
    def rate_per_s(self) -> float:
        """How many devices may arrive in a second, here or elsewhere."""
        given = self._node.settings.drain.rate_per_s
        return self.admissions.rate_per_s if given is None else given

    @property
    def totals(self) -> Counts:
        """What became of devices in all drains since the start."""
        return self._before if self._sequence is None else self._before + self._sequence.counts

    def progress(self) -> Progress:
        """Return how far it has come."""
        return NOTHING_YET if self._sequence is None else self._sequence.progress()

    async def dry_run(self, target: str | None = None) -> Plan:
        """Return what would happen if it began now."""
        found = await survey(self._node)
        return plan_for(self._node, found, self.rate_per_s, self._away_s(self._target(target)))

    async def over(self) -> bool:
        """Wait until it has ended; False when it was aborted, or none is under way."""
        if self.phase in UNDER_WAY:
            await self._is_over.wait()
        return self.phase is Phase.ENDED

    def start(
        self,
        asked_by: str,
        *,
        target: str | None = None,
        away_s: float | None = None,
        binding: bool = False,
    ) -> bool:
        """Begin, or join the one that is under way; True if it began now.

        `target` is where devices are to go, `away_s` how long nobody takes them where they were:
        0 when another process does already. None is what the settings say. Once it was asked for
        with `binding` it can be neither paused nor aborted: the process ends.
        """
        begins = not self.is_leaving
        if begins:
            self._before = self.totals
            self._is_over.clear()
            self._sequence = Sequence(
                self._node,
                asked_by=asked_by,
                target=self._target(target),
                away_s=self._away_s(self._target(target)) if away_s is None else away_s,
                rate_per_s=self.rate_per_s,
                refuse=self._refuse,
            )
            self._sequence.hurried = self._hurried
            self._task = self._node.loop.create_task(self._run(self._sequence))
        if binding and self._sequence is not None:
            self._sequence.binding = True
            if self.phase is Phase.PAUSED:
                self._sequence.enter(Phase.LEAVING)
        return begins

    def pause(self) -> None:
        """Let nobody go for now; its own time stands still. Raises DrainError."""
        sequence = self._endable()
        if sequence.phase is not Phase.LEAVING:
            raise DrainError(f"only its waves can be paused, and it is {sequence.phase}")
        sequence.enter(Phase.PAUSED)

    def resume(self) -> None:
        """Go on. Raises DrainError when it is not paused."""
        if self._sequence is None or self.phase is not Phase.PAUSED:
            raise DrainError("no drain is paused")
        self._sequence.enter(Phase.LEAVING)

    def abort(self) -> None:
        """Let devices in again; those that were told to leave have left. Raises DrainError."""
        sequence = self._endable()
        if self._task is not None:
            self._task.cancel()
        self._refuse(False)
        sequence.call_off()
        self._is_over.set()

    def hurry(self) -> None:
        """Wait for nothing any more: drop every connection, and give cleanups a moment."""
        self._hurried = True
        if self._sequence is not None:
            self._sequence.hurried = True

    # -- for the parts of a node -----------------------------------------------------------

    def turn_is_over(self, session: Sending) -> None:
        """A device was told that its answer is over."""
        if self._sequence is not None:
            self._sequence.turn_is_over(session)

    def end_bound_s(self, usual_s: float) -> float:
        """Return how long a handler's end may take: no longer than the drain itself."""
        return usual_s if self._sequence is None else self._sequence.end_bound_s(usual_s)

    def each_second(self) -> None:
        """Learn what admissions cost."""
        self.admissions.note(self._node.counters.sessions_opened, self._node.clock.cpu())

    async def _run(self, sequence: Sequence) -> None:
        try:
            await sequence.run()
        except Exception as error:  # noqa: BLE001 (a fault of ours must not keep a node from ending)
            self._node.log.error("drain_failed", error=error)
            self._close_all()
            sequence.enter(Phase.ENDED)
        self._is_over.set()
        if self.on_ended is not None:
            self.on_ended()

    def _close_all(self) -> None:
        for session in self._node.registry:
            reason = CloseReason.SERVER_SHUTDOWN
            self._node.isolation.faults.close(session, reason, "drain_step_failed")

    def _refuse(self, wanted: bool) -> None:  # noqa: FBT001 (as it is told)
        self._node.draining = wanted
        if self.on_refusing is not None:
            self.on_refusing(wanted)

    def _target(self, asked: str | None) -> str | None:
        return asked or self._node.settings.drain.target

    def _away_s(self, target: str | None) -> float:
        return self._node.settings.drain.away_s if target is None else 0.0

    def _endable(self) -> Sequence:
        sequence = self._sequence
        if sequence is None or sequence.phase not in ENDABLE:
            raise DrainError(f"nothing can be stopped: a drain is {self.phase}")
        if sequence.binding:
            raise DrainError("the gateway was told to stop, and will")
        return sequence


class LastLook:
    """Lets who follows a drain from outside see its end before nobody answers any more."""

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._seen = asyncio.Event()

    def note(self, now: float, *, has_ended: bool) -> None:
        """Somebody asked how far it has come."""
        self._asked_at = now
        if has_ended:
            self._seen.set()

    async def wait(self, now: float) -> None:
        """Wait for who has asked lately to ask again, if only for a moment."""
        if self._asked_at is None or now - self._asked_at > FOLLOWED_S:
            return
        try:
            async with asyncio.timeout(FOLLOWED_S):
                await self._seen.wait()
        except TimeoutError:
            return
