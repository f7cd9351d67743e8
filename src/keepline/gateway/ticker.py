"""The one timer of a node: it advances the timing wheel and keeps the node's sense of time."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from keepline.lifecycle.wheel import TICK_S

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from keepline.clock import Clock
    from keepline.lifecycle.heartbeat import Heartbeat
    from keepline.lifecycle.wheel import TimingWheel
    from keepline.monitor.metrics import Counters

STALL_S = 0.25
"""A turn that comes later than this was our own stall, and no device's silence."""

LATELY = 20
"""So many ticks are looked back at: two seconds. One late tick of these is not their p95."""

DUE_PER_TURN = 16
"""How many are looked at before others get their turn: about half a millisecond of pings.

All who began to be silent together are pinged together: hundreds in a tick, whom a device that
just woke up would have to wait for.
"""


class Due(Protocol):
    """What can wait in the wheel of a node: a `Door` or a `Connection`."""

    wheel_tick: int
    transport: asyncio.Transport

    def on_due(self, now: float) -> None:
        """Look again: the nearest deadline has passed."""


class Asked(Due, Protocol):
    """What can be asked for a sign of life."""

    heartbeat: Heartbeat


class Ticker:
    """Advances the wheel every tick and keeps two readings of attentive time.

    Attentive time is monotonic time less our own stalls: while the loop was blocked nobody was
    listening, so no silence is counted. `now` is coarse, one float shared by all that store it;
    `precise()` is for round-trip times. Both are in seconds.
    """

    __slots__ = (
        "_asked",
        "_asked_now",
        "_clock",
        "_counters",
        "_due",
        "_handle",
        "_lags_s",
        "_last",
        "_loop",
        "_next_turn",
        "_on_fault",
        "_on_stall",
        "_patience_s",
        "_silent",
        "_worst_lag_s",
        "now",
        "stalled_s",
        "wheel",
    )

    def __init__(
        self,
        wheel: TimingWheel[Due],
        clock: Clock,
        counters: Counters,
        *,
        patience_s: float,
        on_stall: Callable[[float], None],
        on_fault: Callable[[Due, Exception], None],
    ) -> None:
        self.wheel = wheel
        self.stalled_s = 0.0
        self._worst_lag_s = 0.0
        self._lags_s: deque[float] = deque(maxlen=LATELY)
        self._clock = clock
        self._counters = counters
        self._on_stall = on_stall
        self._on_fault = on_fault
        self._patience_s = patience_s
        self._asked: deque[tuple[float, list[Asked]]] = deque()
        self._asked_now: list[Asked] = []  # since the last tick
        self._due: deque[Due] = deque()  # taken off; what no fence stops leaves the rest here
        self._silent: deque[Asked] = deque()  # has not answered in time, and is to be looked at
        self._last = self.now = clock.now()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._next_turn: asyncio.Handle | None = None

    def precise(self) -> float:
        """Attentive time, uncoarsened."""
        return self._clock.now() - self.stalled_s

    @property
    def last_beat(self) -> float:
        """When it last ticked, by the clock itself; any thread may look."""
        return self._last

    def take_worst_lag_s(self) -> float:
        """Return by how much the latest tick since the last call was late; for one caller."""
        worst_s, self._worst_lag_s = self._worst_lag_s, 0.0
        return worst_s

    def lag_p95_s(self) -> float:
        """Return by how much ticks were late lately, but for the latest of all."""
        return sorted(self._lags_s)[-2] if len(self._lags_s) > 1 else 0.0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tick on `loop` until `stop`."""
        self._loop = loop
        self._last = self._clock.now()
        self._handle = loop.call_later(TICK_S, self._tick)

    def stop(self) -> None:
        """Stop ticking; idempotent."""
        for handle in (self._handle, self._next_turn):
            if handle is not None:
                handle.cancel()
        self._loop = self._handle = self._next_turn = None

    def _tick(self) -> None:
        assert self._loop is not None
        self._handle = self._loop.call_later(TICK_S, self._tick)
        self.advance()

    def advance(self) -> None:
        """One tick. What is due is looked at in the turns that follow, of a stopped one at once."""
        reading = self._clock.now()
        elapsed_s = reading - self._last
        self._last = reading
        lost_s = elapsed_s - TICK_S
        self._worst_lag_s = max(self._worst_lag_s, lost_s)
        self._lags_s.append(lost_s)
        self._counters.loop_lag.observe(max(0.0, lost_s))
        if elapsed_s > STALL_S:
            self.stalled_s += lost_s
            self._counters.loop_stalls += 1
            self._counters.loop_stalled_s += lost_s
            self._on_stall(lost_s)
        if self._asked_now:
            self._asked.append((self.now, self._asked_now))
            self._asked_now = []
        self.now = reading - self.stalled_s
        self._call_the_roll(self.now - self._patience_s)
        if self._loop is None:
            while self._look_at_due():
                pass
        elif self._next_turn is None:
            self._next_turn = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Look at a turn's worth, and let everybody else be heard before the rest."""
        self._next_turn = None
        if self._look_at_due() and self._loop is not None:
            self._next_turn = self._loop.call_soon(self._go_on)

    def _look_at_due(self) -> bool:
        """Look at a turn's worth; return whether there may be more."""
        now, silent, due = self.now, self._silent, self._due
        if not due:
            due.extend(silent.popleft() for _ in range(min(len(silent), DUE_PER_TURN)))
        if not due:
            due.extend(self.wheel.advance(now, DUE_PER_TURN))
        while due:
            item = due.popleft()
            try:
                item.on_due(now)
            except Exception as error:  # noqa: BLE001 (a fault of ours must not stop time for others)
                with suppress(Exception):  # nor must one in telling of it
                    self._on_fault(item, error)
        return bool(silent) or self.wheel.is_behind

    def expect(self, asked: Asked) -> None:
        """`asked` was pinged just now: look at it again if nothing comes within `patience_s`.

        Nearly all answer, so they are crossed off in passing, a whole tick's worth at a time;
        only who stays silent costs another turn through the wheel.
        """
        self._asked_now.append(asked)

    def _call_the_roll(self, asked_until: float) -> None:
        """Find out who of those asked until then has stayed silent: they are looked at first."""
        while self._asked and self._asked[0][0] <= asked_until:
            for item in self._asked.popleft()[1]:
                heartbeat = item.heartbeat
                if heartbeat.last_rx < heartbeat.asked_at:
                    self._silent.append(item)
