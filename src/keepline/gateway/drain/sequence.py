"""One drain from its first moment to its last: not ready, plan, waves, the rest, nothing left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import json

from keepline.gateway.drain.pace import Pace
from keepline.gateway.drain.progress import UNDER_WAY, Counts, Phase, Progress, told_of
from keepline.gateway.drain.survey import plan_for, survey
from keepline.gateway.drain.waves import Waves
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.drain.plan import Plan
    from keepline.gateway.node import Node
    from keepline.gateway.sending import Sending

PULSE_S: Final = 0.025
SLICE: Final = 48
"""How many are dropped, or refused, before everything else has its turn."""

LATE_S: Final = 1.0
"""For the last cleanups, once everything was dropped."""

SAVED_S: Final = 2.0
"""For the states of the last to reach the store."""

OF_SOMEBODY: Final = frozenset({Phase.PLANNING, Phase.LEAVING, Phase.SAVING})
"""What a drain passes through without a wait where nobody is."""

LEAST_END_S: Final = 0.1
TOLD_EACH_S: Final = 1.0


class Sequence:
    """Runs once, in a task of its `Drain`. `refuse` has newcomers refused, or let in again.

    `now_s` is its own time, from when nobody is let in any more, without pauses; the time of the
    plan passes as fast as the pace lets it.
    """

    def __init__(
        self,
        node: Node,
        *,
        asked_by: str,
        target: str | None,
        away_s: float,
        rate_per_s: float,
        refuse: Callable[[bool], None],
    ) -> None:
        self._node = node
        self._asked_by = asked_by
        self._target = target
        self._away_s = away_s
        self._rate_per_s = rate_per_s
        self._refuse = refuse
        self._began_at = node.clock.now()
        self._own_s = self._at_s = 0.0  # of the plan; without what our own stalls took
        self._before = _closes(node)
        self._refused_before = self._sent_before = 0
        self._waves: Waves | None = None
        self._pace = Pace(self._began_at)
        self.counts = Counts()
        self.plan: Plan | None = None
        self.phase = Phase.UNREADY
        self.binding = False
        self.hurried = False
        self.now_s = 0.0
        self._was_somebody = False

    async def run(self) -> None:
        """Do all of it; return when nothing is left, or when the limit is over."""
        await self._let_balancers_notice()
        self.enter(Phase.PLANNING)
        node = self._node
        plan = plan_for(node, await survey(node), self._rate_per_s, self._away_s)
        self._tell_plan(plan)
        self._refuse(True)
        await node.arrivals.give_up(node.arrivals.admissions)
        waves = self._waves = await self._arranged()
        self.enter(Phase.LEAVING)
        await self._leave(waves)
        if not waves.is_done:
            self.enter(Phase.FORCING)
            await self._force(waves)
        self.enter(Phase.SAVING)
        await self._see_them_off()
        self.enter(Phase.ENDED)

    def enter(self, phase: Phase) -> None:
        """Go on to a phase, and say so; where nobody was, only that it is over."""
        self.phase = phase
        told = told_of(self.progress())
        self._was_somebody |= told["left"] > 0
        log = self._node.log
        tell = log.info if self._was_somebody or phase not in OF_SOMEBODY else log.debug
        tell("drain", **told)
        self._node.hub.emit("", f"drain_{phase}", json.encode(told))

    def call_off(self) -> None:
        """Be over, and hold nobody any more who has stayed."""
        self._waves = None
        self.enter(Phase.ABORTED)

    def turn_is_over(self, session: Sending) -> None:
        """A device was told that its answer is over."""
        if self._waves is not None:
            self._waves.turn_is_over(session, self.now_s)

    def end_bound_s(self, usual_s: float) -> float:
        """Return how long a handler's end may take: no longer than the drain itself."""
        if self.phase not in (Phase.FORCING, Phase.SAVING):
            return usual_s
        left_s = self._node.settings.drain.limit_s - self.now_s
        return max(LEAST_END_S, min(usual_s, LATE_S / 4 if self.hurried else left_s))

    def progress(self) -> Progress:
        """Return how far it has come."""
        node = self._node
        confirmed, timed_out = _closes(node)
        self.counts.confirmed = confirmed - self._before[0]
        self.counts.timed_out = timed_out - self._before[1]
        return Progress(
            phase=self.phase,
            asked_by=self._asked_by,
            binding=self.binding,
            elapsed_s=round(node.clock.now() - self._began_at, 3),
            left=len(node.registry),
            talking=0 if self._waves is None else self._waves.talking,
            unsaved=len(node.memory),
            rate=0.0 if self.phase is Phase.PAUSED else round(self._pace.factor, 3),
            eta_s=round(self._eta_s(), 3),
            counts=self.counts,
            plan=self.plan,
        )

    def _eta_s(self) -> float:
        if self.phase not in UNDER_WAY or self._waves is None or self.plan is None:
            return 0.0
        settings = self._node.settings.drain
        turn_s = settings.turn_s - self.now_s if self._waves.talking else 0.0
        until_s = max(0.0, settings.wait_s - self.now_s)
        return min(max(self._waves.left_s(self._pace.factor), turn_s), until_s) + self.plan.close_s

    # -- the parts -------------------------------------------------------------------------

    async def _let_balancers_notice(self) -> None:
        until = self._began_at + self._node.settings.drain.unready_s
        # A second signal must be heard, and costs a look now and then for once in a life.
        while self._node.clock.now() < until and not self.hurried:  # noqa: ASYNC110
            await asyncio.sleep(PULSE_S)

    def _tell_plan(self, plan: Plan) -> None:
        self.plan = plan
        log = self._node.log
        tell = log.info if self._was_somebody else log.debug
        tell("drain_planned", **plan.told())
        if not plan.fits:
            log.warning("drain_cuts", **{str(wave): number for wave, number in plan.cut.items()})

    async def _arranged(self) -> Waves:
        """Return the waves: who came while the plan was made leaves with the others.

        They alone hold the sessions, so that each goes when it is gone, and not all at the end.
        """
        found = await survey(self._node)
        self.plan = plan_for(self._node, found, self._rate_per_s, self._away_s)
        return Waves(self._node, self.plan, found, self._target, self.counts)

    async def _leave(self, waves: Waves) -> None:
        wait_s = self._node.settings.drain.wait_s
        while not waves.is_done and self.now_s < wait_s and not self.hurried:
            if self.phase is Phase.PAUSED:
                await self._pulse()
            elif waves.turn(self._own_s, self._at_s, self.now_s):
                await asyncio.sleep(0)
            else:
                passed_s = await self._pulse()
                self.now_s += passed_s
                self._own_s += passed_s * self._pace.factor
                # Where arrivals count, a stall is not caught up with: that would be a crowd.
                self._at_s += min(passed_s, 2 * PULSE_S) * self._pace.factor

    async def _pulse(self) -> float:
        """Wait a little; return how long that was."""
        clock = self._node.clock
        before = clock.now()
        await asyncio.sleep(PULSE_S)
        now = clock.now()
        self._pace.note(now - before - PULSE_S)
        if self._pace.is_due(now):
            self._pace.judge(now, self._refused_share())
            self._node.log.debug("drain", **told_of(self.progress()))
        return now - before

    def _refused_share(self) -> float:
        """Return how many came back here although others are to take them, of those who went."""
        refused = self._node.counters.disconnects[CloseReason.DRAINING]
        sent = self.counts.sent
        come_back, gone = refused - self._refused_before, sent - self._sent_before
        self._refused_before, self._sent_before = refused, sent
        others_take_them = self._target is not None or self._node.settings.drain.unready_s > 0
        return come_back / gone if others_take_them and gone else 0.0

    async def _force(self, waves: Waves) -> None:
        waves.force()
        while not waves.is_done:
            waves.turn(self._own_s, self._at_s, self.now_s)
            await asyncio.sleep(0)

    async def _see_them_off(self) -> None:
        """Wait until everybody is gone and cleaned up; drop who is not when time is over."""
        limit_s = self._node.settings.drain.limit_s
        is_dropped = False
        while not self._is_empty():
            if not is_dropped and (self.hurried or self.now_s >= limit_s - LATE_S):
                is_dropped = True
                limit_s = min(limit_s, self.now_s + LATE_S)
                await self._drop_all()
            if self.now_s >= limit_s:
                self._node.log.error("drain_incomplete", **told_of(self.progress()))
                return
            self.now_s += await self._pulse()
        await self._let_states_arrive()

    async def _let_states_arrive(self) -> None:
        """A store that cannot be written now has its own last chance, when it is closed."""
        until_s = self.now_s + SAVED_S
        while self._node.memory and self.now_s < until_s:
            self.now_s += await self._pulse()

    async def _drop_all(self) -> None:
        for number, session in enumerate(self._node.registry, start=1):
            if not session.connection.transport.is_closing():
                self.counts.dropped += 1
                session.connection.drop()
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _is_empty(self) -> bool:
        node = self._node
        return not (node.registry or node.departures or node.cleanups)


def _closes(node: Node) -> tuple[int, int]:
    return node.counters.closes_confirmed, node.counters.closes_timed_out
