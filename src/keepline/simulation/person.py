"""PURE: what a simulated device is, and what its person wants of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from keepline.lifecycle.profile import CHANNEL_S

if TYPE_CHECKING:
    from keepline.fleet.chance import Randomness

TALK_S: Final = (4.0, 36.0)
"""How long one conversation is, drawn evenly."""

Wish: TypeAlias = Literal[
    "nothing",
    "save",
    "save late",
    "send",
    "burst",
    "tool",
    "later",
    "beside",
    "wait",
    "speak",
    "raise",
    "sulk",
    "close",
]
# What is asked of the application, as often as it stands here. What ends the session is rare.
WISHES: Final[tuple[Wish, ...]] = (
    *("nothing", "nothing", "save", "save", "send", "send", "send", "burst", "tool", "tool"),
    *("later", "beside", "wait", "speak", "save late"),
)
ROUGH_WISHES: Final[tuple[Wish, ...]] = (*WISHES, *WISHES, *WISHES, "raise", "sulk", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A firmware: `pongs` answers pings, `mcp` requests, `acks` says what it got.

    It gives its channel up when no data message has come for `channel_s`.
    """

    pongs: bool = True
    mcp: bool = True
    acks: bool = False
    version: int = 1
    channel_s: float = CHANNEL_S

    @property
    def is_mute(self) -> bool:
        """Whether it gives no sign of life while nobody speaks."""
        return not (self.pongs or self.mcp)


def drawn_kind(chance: Randomness) -> Kind:
    """Return what one device of a mixed fleet is."""
    drawn = chance.random()
    return Kind(
        pongs=drawn >= 0.15,  # noqa: PLR2004 (shares)
        mcp=drawn >= 0.05,  # noqa: PLR2004
        acks=chance.random() < 0.4,  # noqa: PLR2004
        version=chance.choice((1, 1, 2, 3)),
    )


class Habit(NamedTuple):
    """What share of the time a person talks, how often something else is asked, and what."""

    talk: float = 0.05
    ask_every_s: float = 600.0
    wishes: tuple[Wish, ...] = WISHES

    def next_talk_s(self, chance: Randomness) -> float:
        """Return how long until the next conversation."""
        if not self.talk:
            return inf
        mean_s = sum(TALK_S) / 2 * (1 / self.talk - 1)
        return chance.uniform(0.3, 1.7) * mean_s

    def next_ask_s(self, chance: Randomness) -> float:
        """Return how long until something else is asked."""
        return chance.uniform(0.1, 1.9) * self.ask_every_s
