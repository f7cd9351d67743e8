"""The numbers of a simulated fleet: counted while it runs, reported as a value."""

from __future__ import annotations

import copy
from collections import Counter, deque
from dataclasses import dataclass, field
from statistics import median, quantiles

# A fleet without an end keeps the newest this many.
_HELLO_TIMES = 10_000


@dataclass(slots=True)
class Counts:
    """What happened to a fleet's devices since its start."""

    connects: int = 0
    connect_failures: int = 0  # no TCP connection
    refused: Counter[int] = field(default_factory=Counter)  # by HTTP status
    timeouts: int = 0  # no 101 or no hello in time
    hellos: int = 0
    conversations: int = 0
    turns_answered: int = 0
    turns_unanswered: int = 0
    frames_sent: int = 0
    frames_heard: int = 0
    foreign_frames: int = 0  # heard, but not what this device said
    pings_answered: int = 0
    tool_answers: int = 0  # to `mcp` requests, errors too
    alerts: int = 0
    ignored: int = 0  # messages of unknown type, or no messages at all
    hung_up: int = 0
    died: int = 0
    closed: Counter[int | None] = field(default_factory=Counter)  # by the code of the Close
    lost: int = 0  # dropped with neither side's goodbye
    violations: int = 0  # the server broke the protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A fleet's numbers at one moment; also its progress while it runs.

    `connected` devices said hello and were not lost, `talking` ones are in a conversation. The
    hello times run from the upgrade request to the server's hello, the newest 10,000 of them;
    None when there are too few.
    """

    elapsed_s: float
    devices: int
    connected: int
    talking: int
    hello_median_s: float | None
    hello_p99_s: float | None
    counts: Counts


class Tally:
    """Where the devices of one fleet count."""

    __slots__ = ("counts", "hello_times_s")

    def __init__(self) -> None:
        self.counts = Counts()
        self.hello_times_s: deque[float] = deque(maxlen=_HELLO_TIMES)

    def report(self, *, elapsed_s: float, devices: int, connected: int, talking: int) -> Report:
        """Return the numbers as they are now, in a copy."""
        times = self.hello_times_s
        return Report(
            elapsed_s=elapsed_s,
            devices=devices,
            connected=connected,
            talking=talking,
            hello_median_s=median(times) if times else None,
            hello_p99_s=quantiles(times, n=100)[-1] if len(times) > 1 else None,
            counts=copy.deepcopy(self.counts),
        )
