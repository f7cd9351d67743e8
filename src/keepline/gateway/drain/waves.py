"""The waves of one drain: lets devices go in their slots, and conversations when a turn ends."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final

from keepline.gateway.drain.notice import back_s, hint, notice, reason_for, return_of
from keepline.gateway.drain.plan import Return, Slots, Wave
from keepline.gateway.drain.turn import Talk
from keepline.wire.frames import text_frame

if TYPE_CHECKING:
    from keepline.gateway.drain.plan import Plan
    from keepline.gateway.drain.progress import Counts
    from keepline.gateway.drain.survey import Found
    from keepline.gateway.node import Node
    from keepline.gateway.sending import Sending
    from keepline.gateway.session import Session

MOST_PER_TURN: Final = 32
"""How many are let go before everything else has its turn, if they take no longer than that:"""

TURN_S: Final = 0.002
"""Of the loop's CPU time. What is closed is cleaned up in the same turns, and takes its own."""

LOOKS_PER_TURN: Final = 200
"""How many conversations are looked at in a turn."""

HEARD_S: Final = 0.3
"""What a device may still have to play when its server has said all: five packets of 60 ms."""


class Lane:
    """Devices that go at one rate: first whose turn is over, then the idle, then the quiet.

    `at_s` is the time that has come.
    """

    __slots__ = ("_slots", "at_s", "idle", "over", "quiet", "rate_per_s", "slot_s")

    def __init__(self, rate_per_s: float, u: float) -> None:
        self.rate_per_s = rate_per_s
        self.over: deque[Session] = deque()
        self.idle: deque[Session] = deque()
        self.quiet: deque[Session] = deque()
        self.at_s = 0.0
        self._slots = Slots(rate_per_s)
        self.slot_s = self._slots.take(u)

    def __len__(self) -> int:
        return len(self.over) + len(self.idle) + len(self.quiet)

    def use_slot(self, u: float) -> None:
        """A device goes now; the next one has the next slot."""
        self.slot_s = self._slots.take(u)

    def join(self, session: Session, u: float) -> None:
        """A device's turn is over: it goes in front."""
        if not self and self.slot_s < self.at_s:
            self.slot_s = self._slots.take(u, self.at_s)
        self.over.append(session)


class Waves:
    """Everybody who is to leave. Nothing here waits: whoever runs it calls `turn` again and again.

    `own_s` and `at_s` are times of the plan, which pass slower while its pace is: for ends that
    only cost us something, and for those that make arrivals. `now_s` is that of the drain. A
    conversation is waited for until its turn is over, within `turn_s`.

    Who comes back after ten seconds must not meet who comes back after one, and who went nine
    seconds later: each such kind has a lane of its own, with its share of the rate.
    """

    __slots__ = (
        "_counts",
        "_free",
        "_hints",
        "_is_forced",
        "_late",
        "_node",
        "_paced",
        "_plan",
        "_target",
        "_turn_over_s",
        "_watched",
    )

    def __init__(
        self, node: Node, plan: Plan, found: Found, target: str | None, counts: Counts
    ) -> None:
        draw, back = node.random.random, found.back
        self._node = node
        self._plan = plan
        self._target = target
        self._counts = counts
        self._free = Lane(plan.own_rate_per_s, draw())
        self._paced = {
            seconds: Lane(plan.rate_per_s * count / back.total(), draw())
            for seconds, count in back.items()
        }
        self._late = Lane(plan.rate_per_s, draw())  # whose turn is over when all slots are
        self._hints = Slots(plan.rate_per_s, plan.hints_s)
        self._watched: dict[Session, float] = {}  # until when; who is not told yet: for ever
        self._turn_over_s: dict[Sending, float] = {}  # since when, of those
        self._is_forced = False
        for (wave, comes_back, seconds), sessions in found.groups.items():
            if wave is Wave.TALKING:
                self._watched.update(dict.fromkeys(sessions, inf))
                continue
            lane = self._paced[seconds] if comes_back is Return.BY_ITSELF else self._free
            (lane.idle if wave is Wave.IDLE else lane.quiet).extend(sessions)

    @property
    def talking(self) -> int:
        """How many are waited for."""
        return len(self._watched)

    @property
    def is_done(self) -> bool:
        """Whether everybody was closed."""
        return not (self._watched or any(self._lanes()))

    def left_s(self, factor: float) -> float:
        """Return how long it takes until the last slot, at this share of the pace."""
        longest_s = max(len(lane) / lane.rate_per_s for lane in self._lanes())
        return longest_s / factor if factor else inf

    def turn_is_over(self, session: Sending, now_s: float) -> None:
        """A device was told that its answer is over: as soon as that was heard, it may go."""
        if session in self._watched:
            self._turn_over_s.setdefault(session, now_s)

    def turn(self, own_s: float, at_s: float, now_s: float) -> bool:
        """Let go whose slot has come; return whether there are more than one turn may have."""
        left, cpu = MOST_PER_TURN, self._node.clock.thread_cpu
        until_s = cpu() + TURN_S
        for lane in self._lanes():
            lane.at_s = own_s if lane is self._free else at_s
            while left and lane and (self._is_forced or lane.slot_s <= lane.at_s):
                self._next(lane, now_s)
                left = left - 1 if cpu() < until_s else 0
        self._look_at_conversations(now_s, left)
        return not left

    def force(self) -> None:
        """Wait for nobody any more: the next turns let all the others go."""
        self._is_forced = True
        for session in self._watched:
            self._free.over.append(session)

    def _lanes(self) -> tuple[Lane, ...]:
        return (self._free, *self._paced.values(), self._late)

    def _lane(self, session: Session, comes_back: Return) -> Lane:
        if comes_back is not Return.BY_ITSELF:
            return self._free
        is_late = self._late.at_s >= self._plan.paced_s
        return self._late if is_late else self._paced.get(back_s(session), self._late)

    def _next(self, lane: Lane, now_s: float) -> None:
        queue = lane.over or lane.idle or lane.quiet
        session = queue.popleft()
        try:
            self._let_go(lane, session, now_s, was_talking=queue is lane.over)
        except Exception as error:  # noqa: BLE001 (the others leave all the same: a fence)
            self._drop(session, error)

    def _let_go(self, lane: Lane, session: Session, now_s: float, *, was_talking: bool) -> None:
        if session.connection.lifecycle.reason is not None:
            self._forget(session)  # it has left by itself
            return
        if not was_talking or self._watched.get(session) == inf:
            session.tell_draining()
            was_talking = session.talk(self._node.ticker.now) is not Talk.SILENT
            if was_talking and not self._is_forced:
                self._watched[session] = now_s + self._plan.turn_s
                return
        lane.use_slot(self._node.random.random())
        self._part(session, now_s, was_talking=was_talking)

    def _look_at_conversations(self, now_s: float, most_told: int) -> None:
        if self._is_forced:
            return
        for _ in range(min(LOOKS_PER_TURN, len(self._watched))):
            session = next(iter(self._watched))
            until_s = self._watched.pop(session)
            is_told = until_s == inf and most_told > 0
            most_told -= is_told
            try:
                self._look_at(session, until_s, now_s, is_told=is_told)
            except Exception as error:  # noqa: BLE001 (the others leave all the same: a fence)
                self._drop(session, error)

    def _look_at(self, session: Session, until_s: float, now_s: float, *, is_told: bool) -> None:
        if session.connection.lifecycle.reason is not None:
            self._forget(session)
            return
        if is_told:
            session.tell_draining()
            until_s = self._plan.turn_s
        if now_s >= until_s or self._is_over(session, now_s):
            lane = self._lane(session, return_of(session))
            lane.join(session, self._node.random.random())
        else:
            self._watched[session] = until_s  # behind the others

    def _is_over(self, session: Session, now_s: float) -> bool:
        talk = session.talk(self._node.ticker.now)
        if talk is Talk.SILENT:
            return True
        over_s = self._turn_over_s.get(session)
        return over_s is not None and talk is Talk.ASKING and now_s >= over_s + HEARD_S

    def _part(self, session: Session, now_s: float, *, was_talking: bool) -> None:
        """Tell a device what its kind understands, and close it."""
        connection, counts = session.connection, self._counts
        comes_back = return_of(session)
        settings = self._node.settings.drain
        is_cut = was_talking and self._is_in_a_turn(session)
        if comes_back is Return.TOLD:
            back_at_s = self._hints.take(self._node.random.random(), now_s)
            text: str | None = hint(max(0.0, back_at_s - now_s), self._target)
        else:
            text = notice(session, settings.message, in_conversation=was_talking)
        # Past everything that keeps messages for later: on its next connection it means nothing.
        if text is not None and connection.outbox is None:
            connection.send(text_frame(text))
            counts.told += 1
        self._forget(session)
        connection.close(reason_for(comes_back), "cut in a turn" if is_cut else "")
        counts.forced += self._is_forced
        counts.sent += not self._is_forced
        counts.cut += is_cut

    def _drop(self, session: Session, error: Exception) -> None:
        """A fault of ours in its way out: it goes without what it should have been told."""
        self._forget(session)
        self._counts.dropped += 1
        self._node.isolation.faults.of_its_end(session, error, "drain_step_failed")

    def _forget(self, session: Session) -> None:
        self._watched.pop(session, None)
        self._turn_over_s.pop(session, None)

    def _is_in_a_turn(self, session: Session) -> bool:
        talk = session.talk(self._node.ticker.now)
        return talk is Talk.ANSWERING or (talk is Talk.ASKING and session not in self._turn_over_s)
