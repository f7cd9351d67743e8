"""What kind of device is at the other end: what it waits for, understands and can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated, Final, Literal

from annotated_types import Ge, Gt, Le

CHANNEL_S: Final = 120.0
"""Stock firmware gives its channel up when no data message has come for that long."""

HANDSHAKE_S: Final = 10.0
"""How long stock firmware waits for the answer to its upgrade, and again for that to its hello."""

LATEST_KEEPALIVE_S: Final = CHANNEL_S - 10.0
"""The rest is for the network, and for stalls of ours, which a keepalive comes late by."""

LONGEST_SILENCE_S: Final = 300.0
"""What a device of one's own may be left alone for, where the settings let that be learned."""

LATEST_HELLO_S: Final = 2 * HANDSHAKE_S

# A keepalive leaves in this last part of its period, so that a fleet is not sent to as one.
KEEPALIVE_SPREAD: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one kind of device is treated. Settings tables `profiles.NAME`; times in seconds.

    The first profile in the order of the settings of which a pattern in `match` fits the device
    id is taken (`*` and `?` as in a shell, upper and lower case alike); without one, `browser`
    for a request with an Origin or with ids in its query, and `xiaozhi` for everybody else.

    `hello_timeout_s` runs from accept to hello, `close_timeout_s` from our Close frame to dropping
    TCP. When no data message was sent for up to `keepalive_s`, the gateway sends one that means
    nothing; None for never. `pongs` says whether the device answers pings: `learn` by watching, or
    `never`. `notice` is what it understands as a notice that the server goes away, `reconnect`
    whether it comes back by itself: every `reconnect_s` (`fixed`), or from then on ever later
    (`backoff`).
    """

    name: str = "xiaozhi"
    match: tuple[str, ...] = ()
    hello_timeout_s: Annotated[float, Gt(0), Le(3600)] = 10.0
    close_timeout_s: Annotated[float, Gt(0), Le(60)] = 1.0
    keepalive_s: Annotated[float, Ge(0.2), Le(31_536_000)] | None = 100.0
    pongs: Literal["learn", "never"] = "learn"
    notice: Literal["alert", "none", "reconnect"] = "alert"
    reconnect: Literal["never", "fixed", "backoff"] = "never"
    reconnect_s: Annotated[float, Gt(0), Le(3600)] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot work together, or with the firmware."""
        if self.keepalive_s is not None and self.keepalive_s > LATEST_KEEPALIVE_S:
            raise ValueError(
                f"keepalive_s must be at most {LATEST_KEEPALIVE_S:g}, not {self.keepalive_s:g}:"
                f" a device gives its channel up after {CHANNEL_S:g} s without data,"
                f" and {CHANNEL_S - LATEST_KEEPALIVE_S:g} s are left for the way"
            )
        if self.hello_timeout_s > LATEST_HELLO_S:
            raise ValueError(
                f"hello_timeout_s must be at most {LATEST_HELLO_S:g}, not"
                f" {self.hello_timeout_s:g}: a device waits {HANDSHAKE_S:g} s for its upgrade and"
                f" {HANDSHAKE_S:g} s for the answer to its hello, and has left by then"
            )
        if self.reconnect == "never" and self.reconnect_s is not None:
            raise ValueError(
                f"reconnect_s must be none when reconnect is never, not {self.reconnect_s:g}"
            )
        if self.reconnect != "never" and self.reconnect_s is None:
            raise ValueError(f"reconnect_s must be given when reconnect is {self.reconnect}")

    @property
    def returns_by_itself(self) -> bool:
        """Whether it comes back after an end without being told when."""
        return self.reconnect != "never" and self.notice != "reconnect"

    @property
    def longest_silence_s(self) -> float:
        """How long it may be left without a ping at most, if that is learned.

        A keepalive breaks the silence anyway: it leaves with a ping, so that both are one.
        """
        return LONGEST_SILENCE_S if self.keepalive_s is None else self.keepalive_s

    @property
    def quiet_s(self) -> float:
        """How long no data need be sent; infinite without keepalives."""
        return inf if self.keepalive_s is None else self.keepalive_s * (1 - KEEPALIVE_SPREAD)

    def keepalive_due(self, last_sent_at: float, share: float) -> float:
        """Return when a keepalive is to leave, infinite for never; `share` is in [0, 1)."""
        if self.keepalive_s is None:
            return inf
        return last_sent_at + self.keepalive_s * (1 - KEEPALIVE_SPREAD * share)


STOCK: Final = Profile()
BROWSER: Final = Profile(name="browser", close_timeout_s=3.0, keepalive_s=None, notice="none")
BUILT_IN: Final = (STOCK, BROWSER)
