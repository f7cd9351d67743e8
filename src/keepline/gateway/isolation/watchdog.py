"""Who holds the loop up: a thread beside it looks at its stack while its tick is late.

It costs the loop nothing: the tick notes its time anyway, and the thread reads it. Code that does
not let other threads run (a C function that keeps Python's lock, as a regular expression does) is
seen when it comes back, for it is still on the stack then.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.gateway.isolation.places import (
    caller_in,
    inward,
    kind_of,
    name_of,
    place_in,
    stack_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from keepline.clock import Clock
    from keepline.log import Log

LOOK_S: Final = 0.2
"""How often the thread looks."""

LATE_S: Final = 0.3
"""A tick that is older than this is late: the stack is looked at, and told if it stays so."""

AGAIN_S: Final = 10.0
"""How often a block that lasts is told."""

END_S: Final = 2.0


class Culprit(NamedTuple):
    """Who was on the loop; empty where it does not show."""

    at: str
    handler: str = ""
    call: str = ""
    device_id: str = ""
    session_id: str = ""
    stack: str = ""

    def told(self) -> dict[str, str]:
        """Return what is known of it, for a line of the log."""
        return {name: value for name, value in self._asdict().items() if value}


class Watchdog:
    """Watches the loop from `start` to `stop`; `last_beat` is when it last ticked."""

    __slots__ = (
        "_after_s",
        "_clock",
        "_culprit",
        "_ended",
        "_fences",
        "_last_beat",
        "_log",
        "_loop_thread",
        "_seen_beat",
        "_thread",
        "_told_at",
        "latest",
    )

    def __init__(
        self,
        log: Log,
        clock: Clock,
        last_beat: Callable[[], float],
        fences: frozenset[CodeType],
        *,
        loop_thread: int,
        blocked_after_s: float,
    ) -> None:
        self._log = log
        self._clock = clock
        self._last_beat = last_beat
        self._fences = fences
        self._loop_thread = loop_thread
        self._after_s = blocked_after_s
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._culprit: Culprit | None = None
        self._seen_beat = 0.0  # the beat behind which nothing came
        self._told_at = -AGAIN_S
        self.latest: tuple[float, Culprit] | None = None  # what was told last, and its length

    def start(self) -> None:
        """Look from a thread from now on."""
        self._thread = threading.Thread(target=self._run, name="keepline-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; idempotent."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(END_S)

    def take_culprit(self, lost_s: float) -> Culprit | None:
        """Return who was seen during the stall that is over; for the loop."""
        culprit, self._culprit = self._culprit, None
        if culprit is not None:
            self.latest = (lost_s, culprit)
        return culprit

    def look(self) -> None:
        """Look once: at the stack if the tick is late, else at nothing."""
        now, beat = self._clock.now(), self._last_beat()
        late_s = now - beat
        if late_s < LATE_S:
            return
        if beat != self._seen_beat or self._culprit is None:
            self._seen_beat, self._told_at = beat, -AGAIN_S
        # The innermost frames change while it is held up; the call that holds it does not.
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 (its documented name)
        culprit = self._culprit_in(frame)
        del frame  # which would keep what is on the stack alive
        self._culprit = culprit
        if late_s >= self._after_s and now - self._told_at >= AGAIN_S:
            self._told_at = now
            self._log.error("loop_blocked", for_s=round(late_s, 3), **culprit.told())

    def _culprit_in(self, frame: FrameType | None) -> Culprit:
        at, stack = place_in(inward(frame)), stack_in(frame, self._fences)
        caller = caller_in(frame, self._fences)
        if caller is None:
            return Culprit(at, stack=stack)
        session = caller.session
        return Culprit(
            at,
            kind_of(type(session.handler)),
            name_of(caller.method),
            session.device_id,
            session.session_id,
            stack,
        )

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 (what it looks at runs meanwhile: a fence)
                self._log.error("watchdog_failed", error=error)
