"""The numbers of a simulated fleet as a value: while it runs, and at its end."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from keepline.fleet.tally import STATES, Counts, State, Tally

if TYPE_CHECKING:
    from keepline.fleet.histogram import Quantiles

SCHEMA: Final = 1
SLOW_S: Final = 0.05
"""A fleet whose own timers are this late at p99 measures itself and not the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A fleet's numbers at one moment; also its progress while it runs.

    `connected` devices said hello and were not lost, `talking` ones are in a conversation.
    `ramp_s` is how long it took until the last device had its first hello, `unjudged` how many are
    dead and not noticed yet, `cpu_s` what this process has used.
    """

    elapsed_s: float
    devices: int
    connected: int
    talking: int
    unjudged: int
    ramp_s: float
    cpu_s: float
    upgrade: Quantiles
    hello: Quantiles
    first_audio: Quantiles
    rtt: Quantiles
    verdicts: dict[State, Quantiles]
    lag: Quantiles
    counts: Counts

    @property
    def connect_per_s(self) -> float:
        """How many devices a second were let in for the first time."""
        return self.counts.let_in / self.ramp_s if self.ramp_s else 0.0

    @property
    def echoes_numbers(self) -> bool:
        """Whether the handler over there says `custom` messages back, as `echo` does."""
        return self.counts.numbers_heard > 0

    @property
    def echoes_audio(self) -> bool:
        """Whether the handler over there plays back what it hears."""
        return self.counts.frames_own > 0

    @property
    def is_slow(self) -> bool:
        """Whether this simulator was late itself."""
        return (self.lag.p99_s or 0.0) > SLOW_S

    @property
    def problems(self) -> list[str]:
        """Say what did not go well for devices that did nothing wrong; empty if nothing."""
        counts, found = self.counts, []
        if counts.unlucky:
            found.append(f"{_devices(counts.unlucky)} could not connect: {_why(counts)}")
        elif not counts.let_in and not counts.awaiting:
            found.append(f"nobody was let in: {_why(counts)}")
        if counts.awaiting:
            waits = "waits" if counts.awaiting == 1 else "wait"
            found.append(f"{_devices(counts.awaiting)} still {waits} to be approved")
        if self.echoes_numbers:
            for name, count in (
                ("lost", counts.numbers_lost),
                ("reordered", counts.numbers_reordered),
                ("duplicated", counts.numbers_duplicated),
            ):
                if count:
                    found.append(f"control messages {name}: {count} of {counts.numbers_sent}")
        if self.echoes_audio:
            for name, count in (
                ("lost", counts.frames_lost),
                ("repeated", counts.frames_repeated),
                ("heard that were somebody else's", counts.foreign_frames),
            ):
                if count:
                    found.append(f"audio frames {name}: {count} of {counts.frames_sent}")
        if counts.turns_unanswered:
            found.append(f"turns that nobody answered: {counts.turns_unanswered}")
        if counts.violations:
            found.append(f"the server broke the protocol: {counts.violations} times")
        ended = counts.closed.total() + counts.lost
        if ended:
            found.append(f"connections ended by the other side: {ended} ({_endings(counts)})")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return what `keepline fleet --json` prints; fields are only ever added to it."""
        head = {
            "schema": SCHEMA,
            "ok": not self.problems,
            "problems": self.problems,
            "elapsed_s": round(self.elapsed_s, 3),
            "devices": self.devices,
            "connected": self.connected,
            "talking": self.talking,
        }
        return head | self._connects() | self._said() | self._ends() | self._own()

    def _connects(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "connects": {
                "tried": counts.connects,
                "ok": counts.hellos,
                "failed": dict(counts.failed),
                "refused": _by_name(counts.refused),
                "timeouts": counts.timeouts,
                "unready": counts.unready,
                "never_connected": counts.unlucky,
                "awaiting": counts.awaiting,
                "ramp_s": round(self.ramp_s, 3),
                "per_s": round(self.connect_per_s, 1),
            },
            "upgrade": _quantiles(self.upgrade),
            "hello": _quantiles(self.hello),
        }

    def _said(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "first_audio": _quantiles(self.first_audio),
            "rtt": _quantiles(self.rtt),
            "turns": {
                "conversations": counts.conversations,
                "answered": counts.turns_answered,
                "unanswered": counts.turns_unanswered,
                "cut": counts.turns_cut,
            },
            "audio": {
                "sent": counts.frames_sent,
                "heard": counts.frames_heard,
                "own": counts.frames_own,
                "lost": counts.frames_lost if self.echoes_audio else None,
                "repeated": counts.frames_repeated,
                "foreign": counts.foreign_frames,
                "unsent": counts.unsent,
            },
            "control": {
                "sent": counts.numbers_sent,
                "heard": counts.numbers_heard,
                "lost": counts.numbers_lost if self.echoes_numbers else None,
                "reordered": counts.numbers_reordered,
                "duplicated": counts.numbers_duplicated,
                "cut": counts.numbers_cut,
                "brought_back": counts.numbers_brought_back,
                "receipts": counts.receipts,
                "said_again": counts.said_again,
            },
            "outcomes": dict(counts.outcomes),
            "answers": {
                "pings": counts.pings_answered,
                "tools": counts.tool_answers,
                "alerts": counts.alerts,
                "hints": counts.hints,
                "ignored": counts.ignored,
            },
        }

    def _ends(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "endings": {
                "closed": _by_name(counts.closed),
                "fin": counts.fins,
                "rst": counts.resets,
                "hung_up": counts.hung_up,
                "violations": counts.violations,
                "after_fault": dict(counts.after_fault),
            },
            "faults": dict(counts.faults),
            "bad_input": dict(counts.bad_input),
            "deaths": {
                "died": counts.died,
                "unjudged": self.unjudged,
                "returned_unnoticed": counts.returned_unnoticed,
                "ended_by": dict(counts.verdicts),
                "verdicts": {state: _quantiles(each) for state, each in self.verdicts.items()},
            },
        }

    def _own(self) -> dict[str, Any]:
        return {
            "simulator": {
                "slow": self.is_slow,
                "lag": _quantiles(self.lag),
                "cpu_s": round(self.cpu_s, 2),
                "cpu_share": round(self.cpu_s / self.elapsed_s, 3) if self.elapsed_s else 0.0,
            },
        }


def report_of(
    tally: Tally,
    *,
    elapsed_s: float,
    devices: int,
    connected: int,
    talking: int,
    unjudged: int = 0,
    ramp_s: float = 0.0,
    cpu_s: float = 0.0,
) -> Report:
    """Return the numbers as they are now, in a copy."""
    return Report(
        elapsed_s=elapsed_s,
        devices=devices,
        connected=connected,
        talking=talking,
        unjudged=unjudged,
        ramp_s=ramp_s,
        cpu_s=cpu_s,
        upgrade=tally.upgrade.quantiles(),
        hello=tally.hello.quantiles(),
        first_audio=tally.first_audio.quantiles(),
        rtt=tally.rtt.quantiles(),
        verdicts={state: tally.verdicts[state].quantiles() for state in STATES},
        lag=tally.lag.quantiles(),
        counts=copy.deepcopy(tally.counts),
    )


def _quantiles(known: Quantiles) -> dict[str, Any]:
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in asdict(known).items()
    }


def _by_name(counter: Counter[Any]) -> dict[str, int]:
    return {"none" if key is None else str(key): count for key, count in counter.items()}


def _devices(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"


def _why(counts: Counts) -> str:
    why = Counter(counts.failed)
    why.update({f"refused with {status}": count for status, count in counts.refused.items()})
    why.update({"no answer in time": counts.timeouts, "dropped before the hello": counts.unready})
    told = [f"{name} ({_times(count)})" for name, count in why.most_common(5) if count]
    return ", ".join(told) or "the run was over first"


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"


def _endings(counts: Counts) -> str:
    told = [f"Close {code or 'without a code'}: {n}" for code, n in counts.closed.most_common(5)]
    told += [f"FIN: {counts.fins}"] if counts.fins else []
    told += [f"RST: {counts.resets}"] if counts.resets else []
    return ", ".join(told)
