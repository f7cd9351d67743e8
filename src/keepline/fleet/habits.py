"""What a simulated device, and the person in front of it, is in the habit of doing."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, Literal, TypeAlias

TurnKind: TypeAlias = Literal["text", "auto", "manual", "realtime"]
ReconnectKind: TypeAlias = Literal["firmware", "fixed", "backoff"]

FRAME_S: Final = 0.06
# First wait, and the longest one: what is seen of builds that come back by themselves.
RECONNECTS: Final[dict[ReconnectKind, tuple[float | None, float | None]]] = {
    "firmware": (None, None),
    "fixed": (10.0, None),
    "backoff": (1.0, 60.0),
}
# How often the turn's own length a turn takes, of each kind, before the echo handler.
_LENGTHS: Final[dict[TurnKind, float]] = {"text": 0.0, "auto": 2.0, "manual": 2.0, "realtime": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How often there is a conversation, what it is made of, and how it ends.

    Each (low, high) pair is drawn from evenly. `pause_s` lies between the end of a conversation
    and the person's next one; `turns` each have a kind out of `kinds`, a spoken one `turn_frames`
    frames of 60 ms. At the end of a conversation the device hangs up with probability `hang_up`,
    dies silently with `die`, and else stays connected; a dead one is away for `dead_s`.
    `at_once` is the share of devices whose person speaks as soon as they are let in.
    `reconnect_s` is how long after a drop it comes back by itself, and with `reconnect_most_s` it
    waits twice as long each time it fails, up to that; None, as stock firmware: not before its
    person speaks again. `audio_versions` are those that a fleet's devices have. With `numbers`
    they say numbered `custom` messages that the echo handler says back. Those that have `receipts`
    are no stock firmware: they acknowledge messages, and ask what became of their last session.
    """

    pause_s: tuple[float, float] = (3.0, 15.0)
    turns: tuple[int, int] = (1, 3)
    kinds: tuple[TurnKind, ...] = ("text", "auto", "manual", "realtime")
    turn_frames: tuple[int, int] = (10, 60)
    hang_up: float = 0.4
    die: float = 0.05
    dead_s: tuple[float, float] = (40.0, 60.0)
    at_once: float = 1.0
    reconnect_s: float | None = None
    reconnect_most_s: float | None = None
    audio_versions: tuple[int, ...] = (1, 2, 3)
    numbers: bool = False
    receipts: bool = False

    def __post_init__(self) -> None:
        assert self.kinds, "a conversation is made of something"
        assert self.audio_versions, "every device frames its audio somehow"
        assert self.hang_up + self.die <= 1.0, "two parts of one whole"

    @property
    def conversation_s(self) -> float:
        """How long a conversation with the echo handler is on average."""
        turns, frames = sum(self.turns) / 2, sum(self.turn_frames) / 2
        lengths = [_LENGTHS[kind] for kind in self.kinds]
        return turns * frames * FRAME_S * sum(lengths) / len(lengths)


def habits_of(
    talk: float,
    reconnect: ReconnectKind,
    audio_versions: tuple[int, ...],
    *,
    numbers: bool,
    receipts: bool = False,
) -> Habits:
    """Return the habits of devices of which a share of `talk` is in conversation at any time."""
    first_s, most_s = RECONNECTS[reconnect]
    pause_s = Habits().conversation_s * (1 / talk - 1) if talk else inf
    return Habits(
        pause_s=(pause_s / 2, pause_s * 3 / 2),
        hang_up=0.0,
        die=0.0,
        at_once=talk,
        reconnect_s=first_s,
        reconnect_most_s=most_s,
        audio_versions=audio_versions,
        numbers=numbers,
        receipts=receipts,
    )
