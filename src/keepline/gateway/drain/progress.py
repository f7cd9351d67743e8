"""How far a drain has come, for whoever asks."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from keepline.gateway.drain.plan import Plan


class Phase(StrEnum):
    """What a drain is about."""

    NONE = "none"  # nobody has asked for one
    UNREADY = "unready"  # balancers are to notice
    PLANNING = "planning"
    LEAVING = "leaving"
    PAUSED = "paused"
    FORCING = "forcing"  # the rest, at once
    SAVING = "saving"  # all are closed; the last are not gone yet, or not saved
    ENDED = "ended"
    ABORTED = "aborted"  # devices are let in again


UNDER_WAY: Final = frozenset(
    {Phase.UNREADY, Phase.PLANNING, Phase.LEAVING, Phase.PAUSED, Phase.FORCING, Phase.SAVING}
)
ENDABLE: Final = frozenset({Phase.UNREADY, Phase.PLANNING, Phase.LEAVING, Phase.PAUSED})


@dataclass(slots=True)
class Counts:
    """What became of the devices of a drain."""

    sent: int = 0  # closed in their slot
    forced: int = 0  # closed when the time was over
    cut: int = 0  # of all these, in the middle of a turn
    dropped: int = 0  # their TCP, when all time was over or we failed to close them
    told: int = 0  # when to come back, or by a notice
    confirmed: int = 0  # answered our Close
    timed_out: int = 0  # did not, so TCP was dropped

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A drain at one moment; times in seconds.

    `left` is how many sessions are not gone yet, `talking` how many of them are waited for, `rate`
    the share of the planned pace, `eta_s` how long it goes on at most. `asked_by` is `stop`
    (also for a signal), `program` or `operator`; `binding` says that the process ends for certain.
    """

    phase: Phase
    asked_by: str
    binding: bool
    elapsed_s: float
    left: int
    talking: int
    unsaved: int
    rate: float
    eta_s: float
    counts: Counts
    plan: Plan | None


NOTHING_YET: Final = Progress(
    phase=Phase.NONE,
    asked_by="",
    binding=False,
    elapsed_s=0.0,
    left=0,
    talking=0,
    unsaved=0,
    rate=1.0,
    eta_s=0.0,
    counts=Counts(),
    plan=None,
)


def told_of(progress: Progress) -> dict[str, Any]:
    """Return what a line of the log and an event tell of it."""
    counts = progress.counts
    return {
        "phase": progress.phase,
        "asked_by": progress.asked_by,
        "elapsed_s": progress.elapsed_s,
        "left": progress.left,
        "talking": progress.talking,
        "sent": counts.sent,
        "forced": counts.forced,
        "cut": counts.cut,
        "dropped": counts.dropped,
        "told": counts.told,
        "confirmed": counts.confirmed,
        "timed_out": counts.timed_out,
        "eta_s": progress.eta_s,
    }
