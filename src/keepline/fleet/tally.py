"""PURE: where the devices of one fleet count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from keepline.fleet.histogram import Histogram

State: TypeAlias = Literal["idle", "streaming", "hearing"]
STATES: Final[tuple[State, ...]] = ("idle", "streaming", "hearing")


@dataclass(slots=True)
class Counts:
    """What happened to a fleet's devices since its start."""

    connects: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # no TCP connection, by errno
    refused: Counter[int] = field(default_factory=Counter)  # by HTTP status
    awaiting: int = 0  # devices that somebody has to approve now
    timeouts: int = 0  # no 101 or no hello in time
    unready: int = 0  # dropped between TCP and hello
    hellos: int = 0
    let_in: int = 0  # devices that had a hello at least once
    unlucky: int = 0  # devices that have tried and never had one
    conversations: int = 0
    turns_answered: int = 0
    turns_unanswered: int = 0
    turns_cut: int = 0  # unanswered, after a fault of the device itself
    frames_sent: int = 0
    frames_heard: int = 0
    frames_own: int = 0  # heard, and said by this very device
    frames_lost: int = 0  # of its own, while it behaved
    frames_repeated: int = 0
    foreign_frames: int = 0  # heard, but not what this device said
    numbers_sent: int = 0
    numbers_heard: int = 0
    numbers_lost: int = 0
    numbers_reordered: int = 0  # came after they had been given up
    numbers_duplicated: int = 0
    numbers_cut: int = 0  # under way when the device itself broke off
    numbers_brought_back: int = 0  # given up with their connection, and said on a later one
    receipts: int = 0  # messages acknowledged
    said_again: int = 0  # acknowledged before, as the device sees it
    outcomes: Counter[str] = field(default_factory=Counter)  # `new`, `resumed` or `expired`
    pings_answered: int = 0
    tool_answers: int = 0  # to `mcp` requests, errors too
    alerts: int = 0
    hints: int = 0  # when to come back
    ignored: int = 0  # messages of unknown type, or no messages at all
    unsent: int = 0  # dropped here, while the other side took nothing
    hung_up: int = 0
    died: int = 0
    returned_unnoticed: int = 0  # the dead that came back before they were judged
    verdicts: Counter[str] = field(default_factory=Counter)  # close code, `fin`, `rst`
    faults: Counter[str] = field(default_factory=Counter)
    bad_input: Counter[str] = field(default_factory=Counter)  # by kind
    closed: Counter[int | None] = field(default_factory=Counter)  # by the code of the Close
    fins: int = 0  # the other side ended TCP without a Close
    resets: int = 0
    after_fault: Counter[str] = field(default_factory=Counter)  # endings a fault had asked for
    violations: int = 0  # the server broke the protocol

    @property
    def connect_failures(self) -> int:
        """How often there was no TCP connection."""
        return self.failed.total()

    @property
    def lost(self) -> int:
        """How often a connection ended with neither side's goodbye."""
        return self.fins + self.resets


class Tally:
    """The counts of a fleet and the durations that it measures."""

    __slots__ = ("counts", "first_audio", "hello", "lag", "rtt", "upgrade", "verdicts")

    def __init__(self) -> None:
        self.counts = Counts()
        self.upgrade = Histogram()  # from the request to the 101
        self.hello = Histogram()  # from the request to the server's hello
        self.first_audio = Histogram()  # from the last frame said to the first heard
        self.rtt = Histogram()  # of a numbered message
        self.verdicts: dict[State, Histogram] = {state: Histogram() for state in STATES}
        self.lag = Histogram()  # how late the fleet's own timers were
