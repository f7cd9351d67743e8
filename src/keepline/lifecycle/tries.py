"""PURE: at how many prefixes a longer interval is tried at once, by what it did at others.

Most of a fleet may come through the routers of one carrier: what these forget is lost at a few
prefixes, not at each.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from keepline.lifecycle.intervals import FORGIVEN_S

FEW: Final = 8
"""At so many prefixes a step is tried at once that nothing is known of."""

COSTS: Final = 4
"""A death weighs as much as so many survivals: a step that kills more than a fifth is left."""

PATIENCE: Final = 30
"""After so many silences without an outcome nobody tries there for as long, and others may."""

MOST_RESTING: Final = 4_096
"""Beyond them the prefix that began to rest first is forgotten."""


class Try(NamedTuple):
    """Which connection tries what, and since when."""

    number: int
    interval_s: float
    since: float


class Record(Struct, gc=False):
    """How one step did: at how many prefixes it survived, killed, and when it last did that."""

    survived: int = 0
    killed: int = 0
    killed_at: float = 0.0
    trying: int = 0


class Tries:
    """One try at each prefix at most, of all prefixes of a node."""

    __slots__ = ("_by_prefix", "_records", "_rests_until")

    def __init__(self) -> None:
        self._by_prefix: dict[str, Try] = {}
        self._records: dict[float, Record] = {}
        self._rests_until: dict[str, float] = {}  # where one came to no end

    def __len__(self) -> int:
        return len(self._by_prefix)

    def of(self, prefix: str) -> Try | None:
        """Return which connection of a prefix tries what."""
        return self._by_prefix.get(prefix)

    def begin(self, prefix: str, number: int, interval_s: float, now: float) -> bool:
        """Have a connection try, if enough is known of the step and no other tries at its prefix.

        Returns whether it does. One that has come to no end for long has to give way, and its
        prefix to those of others: a connection that is never silent for long is none to try with.
        """
        other = self._by_prefix.get(prefix)
        if other is not None:
            if now - other.since > PATIENCE * other.interval_s:
                self.end(prefix)
                self._rest(prefix, now + PATIENCE * other.interval_s)
            return False
        if self._rests_until:
            if now < self._rests_until.get(prefix, now):
                return False
            self._rests_until.pop(prefix, None)
        record = self._records.setdefault(interval_s, Record())
        if record.killed and now - record.killed_at > FORGIVEN_S:
            record.killed = 0
        if record.trying >= FEW + record.survived - COSTS * record.killed:
            return False
        record.trying += 1
        self._by_prefix[prefix] = Try(number, interval_s, now)
        return True

    def end(self, prefix: str) -> None:
        """Nobody tries at that prefix any more; idempotent."""
        found = self._by_prefix.pop(prefix, None)
        if found is not None:
            self._records[found.interval_s].trying -= 1

    def _rest(self, prefix: str, until: float) -> None:
        self._rests_until[prefix] = until
        if len(self._rests_until) > MOST_RESTING:
            del self._rests_until[next(iter(self._rests_until))]

    def survived(self, prefix: str) -> None:
        """What is tried at a prefix has survived there."""
        found = self._by_prefix.get(prefix)
        if found is not None:
            self._records[found.interval_s].survived += 1
            self.end(prefix)

    def killed(self, prefix: str, now: float) -> None:
        """What is tried at a prefix has killed there."""
        found = self._by_prefix.get(prefix)
        if found is not None:
            record = self._records[found.interval_s]
            record.killed += 1
            record.killed_at = now
            self.end(prefix)

    def records(self) -> dict[float, Record]:
        """Return how each step did, by its interval."""
        return self._records
