"""PURE: how long silence must last before a device is given up, and how long it may at most.

Worked out from the documentation of the heartbeat, not from its code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from keepline.lifecycle.heartbeat import HeartbeatPolicy

TICK_S: Final = 0.1
EARLY_S: Final = 0.5  # so much before the interval is over the ping of an idle device leaves
CALM_RTT_S: Final = 0.2
"""With round trips up to that, P is its least: the mean and four deviations are within 1 s."""

PROBED: Final = 4  # times the patience


class Bounds:
    """What one policy promises, in seconds of silence.

    Where intervals are learned, who is idle may be given up as late as after `verdict_s`.
    """

    def __init__(self, policy: HeartbeatPolicy, verdict_s: float | None = None) -> None:
        self._policy = policy
        self._later_s = 0.0 if verdict_s is None else verdict_s - policy.verdict_s
        self._is_adaptive = policy.preset == "adaptive"

    def least_s(self, *, has_answered: bool, streams: bool) -> float:
        """Return the silence before which nobody may be given up."""
        policy = self._policy
        if not self._is_adaptive or not has_answered:
            return policy.zombie_s - TICK_S
        if streams:
            return policy.streaming_silence_s + 2 * policy.probe_min_s - TICK_S
        quiet_s = (policy.ping_every_s - EARLY_S) * (1 - policy.jitter) / (1 + policy.jitter)
        return quiet_s + 5.5 * policy.probe_min_s - TICK_S

    def most_s(self) -> float:
        """Return the silence after which everybody is given up who is listened to."""
        return self._policy.zombie_s + self._later_s + 2 * TICK_S

    def calm_most_s(self, *, streams: bool, is_probed: bool) -> float:
        """Return the same for who has answered, always quickly, and was never suspected."""
        policy = self._policy
        if not self._is_adaptive:
            return self.most_s()
        patience_s = policy.probe_min_s * (PROBED if is_probed else 1)
        patience_s = min(patience_s, policy.probe_max_s)
        if streams and is_probed:
            return policy.streaming_silence_s + 5.5 * patience_s + 5 * TICK_S
        if streams:
            return policy.streaming_silence_s + 2 * patience_s + 3 * TICK_S
        return policy.ping_every_s + self._later_s + 5.5 * patience_s
