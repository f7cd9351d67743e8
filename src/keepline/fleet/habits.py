"""What a simulated device, and the person in front of it, is in the habit of doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

TurnKind: TypeAlias = Literal["text", "auto", "manual", "realtime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How often there is a conversation, what it is made of, and how it ends.

    Each (low, high) pair is drawn from evenly. `pause_s` lies between the end of a conversation
    and the person's next one; `turns` each have a kind out of `kinds`, a spoken one `turn_frames`
    frames of 60 ms. At the end of a conversation the device hangs up with probability `hang_up`,
    dies silently with `die`, and else stays connected; a dead one is away for `dead_s`.
    `reconnect_s` is how long after a drop it comes back by itself; None, as stock firmware: not
    before its person speaks again. `audio_versions` are those that a fleet's devices have.
    """

    pause_s: tuple[float, float] = (3.0, 15.0)
    turns: tuple[int, int] = (1, 3)
    kinds: tuple[TurnKind, ...] = ("text", "auto", "manual", "realtime")
    turn_frames: tuple[int, int] = (10, 60)
    hang_up: float = 0.4
    die: float = 0.05
    dead_s: tuple[float, float] = (40.0, 60.0)
    reconnect_s: float | None = None
    audio_versions: tuple[int, ...] = (1, 2, 3)

    def __post_init__(self) -> None:
        assert self.kinds, "a conversation is made of something"
        assert self.audio_versions, "every device frames its audio somehow"
        assert self.hang_up + self.die <= 1.0, "two parts of one whole"
