"""A device under watch: judge, wheel and a ticker of 100 ms, on a clock that is moved by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keepline.lifecycle.heartbeat import PINGED, Heartbeat, HeartbeatPolicy, Judge, Verdict
from keepline.lifecycle.wheel import TICK_S, TimingWheel

if TYPE_CHECKING:
    from collections.abc import Callable

START = 1_000.0


@dataclass(eq=False)
class Watch:
    """What the shell does with one connection, without the connection.

    `answer` takes the time since the start and returns after how long a ping sent then finds its
    pong, None for never; `answer_probe` does the same for probes. `offset_s` puts the ticker off
    the wheel's ticks. All times that are kept are seconds since the start.
    """

    policy: HeartbeatPolicy
    answer: Callable[[float], float | None] = lambda _: None
    answer_probe: Callable[[float], float | None] = lambda _: None
    means: int = PINGED
    u: float = 0.5
    offset_s: float = 0.0
    streaming: bool = False
    wheel_tick: int = -1
    pings: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    verdicts: list[tuple[float, Verdict]] = field(default_factory=list)
    suspicions: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.judge = Judge(self.policy)
        self.wheel: TimingWheel[Watch] = TimingWheel(START)
        self.ticks = 0
        self.hb = Heartbeat(self.now, streaming=self.streaming, means=self.means)
        self.pongs: list[tuple[float, bytes]] = []
        self.answers: list[tuple[float, int]] = []
        self.wheel.arm(self, self.judge.first_due(self.hb, self.now, self.u))
        if self.streaming:
            self.look()

    @property
    def now(self) -> float:
        return START + self.offset_s + self.ticks * TICK_S

    @property
    def since_start_s(self) -> float:
        return round(self.now - START - self.offset_s, 3)

    @property
    def zombie_at(self) -> float | None:
        return next((at for at, verdict in self.verdicts if verdict is Verdict.ZOMBIE), None)

    def verdict(self) -> Verdict:
        """What is thought of the device now."""
        return self.hb.verdict

    def run(self, until_s: float, data_every_s: float | None = None) -> None:
        """Tick until `until_s` after the start; data comes in steadily if told so."""
        data_due = self.now
        while self.since_start_s < until_s:
            self.ticks += 1
            if data_every_s is not None and self.now >= data_due:
                self.hb.last_rx = self.now
                data_due = self.now + data_every_s
            self.receive_pongs()
            for _ in self.wheel.advance(self.now, 10):
                self.look()

    def hear(self) -> None:
        """A byte arrives now."""
        self.hb.last_rx = self.now

    def receive_pongs(self) -> None:
        for at, payload in [pong for pong in self.pongs if pong[0] <= self.now]:
            self.pongs.remove((at, payload))
            self.hb.last_rx = self.now
            self.hb.receive_pong(payload, at)
        for at, number in [answer for answer in self.answers if answer[0] <= self.now]:
            self.answers.remove((at, number))
            self.hb.last_rx = self.now
            self.hb.receive_answer(number, at)

    def look(self) -> None:
        look = self.judge.look(self.hb, self.now, self.u)
        if not self.verdicts or self.verdicts[-1][1] is not look.verdict:
            self.verdicts.append((self.since_start_s, look.verdict))
        if look.became_suspicious:
            self.suspicions.append(self.since_start_s)
        if look.ping:
            payload = self.judge.ping_payload(self.hb, self.now)
            if self.hb.is_pinged:
                self.pings.append(self.since_start_s)
                after_s = self.answer(self.since_start_s)
                if after_s is not None:
                    self.pongs.append((self.now + after_s, payload))
            if self.hb.is_probed:
                self.probes.append(self.since_start_s)
                after_s = self.answer_probe(self.since_start_s)
                if after_s is not None:
                    self.answers.append((self.now + after_s, self.hb.pings))
        self.wheel.arm(self, look.due)
