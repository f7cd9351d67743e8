"""The fixed detector that Keepline began with: a ping every 30 s, given up after 90 s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.lifecycle.heartbeat import ANSWERED, SUSPECTED, Look, Verdict

if TYPE_CHECKING:
    from keepline.lifecycle.heartbeat import Heartbeat

INTERVAL_S: Final = 30.0
SUSPICIOUS_S: Final = 60.0
ZOMBIE_S: Final = 90.0
LOOK_EVERY_S: Final = 10.0


class ListedJudge:
    """Looks at everybody every 10 s. Pongs alone are life, so its fleet is not to talk."""

    stretch = 1.0  # which it does not heed

    def first_due(self, hb: Heartbeat, now: float, u: float) -> float:
        """Return when to look first: connections come at any time between two looks."""
        hb.asked_at = now
        return now + LOOK_EVERY_S * u

    def look(self, hb: Heartbeat, now: float, _: float) -> Look:
        """As `Judge.look`."""
        due = now + LOOK_EVERY_S
        silence_s = now - hb.last_rx
        if silence_s > ZOMBIE_S:
            return Look(Verdict.ZOMBIE, False, due, False)
        ping = now - hb.asked_at >= INTERVAL_S
        if ping:
            hb.asked_at = now
        suspected = silence_s > SUSPICIOUS_S
        became_suspicious = suspected and hb.stage != SUSPECTED
        hb.stage = SUSPECTED if suspected else ANSWERED
        return Look(
            Verdict.SUSPICIOUS if suspected else Verdict.HEALTHY, ping, due, became_suspicious
        )

    def ask_again(self, _: Heartbeat, __: float, ___: float) -> None:
        """Everybody is looked at alone."""

    def ping_payload(self, hb: Heartbeat, now_precise: float) -> bytes:
        """As `Judge.ping_payload`."""
        hb.pings += 1
        hb.sent_at = now_precise
        return hb.pings.to_bytes(4, "big")
