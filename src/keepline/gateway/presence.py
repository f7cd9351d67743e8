"""Which devices are there, as a service outside is told: without the noise of reconnects.

A device is online from its first session until it has been away for a while. A takeover is no
absence, and neither is a reconnect within `webhook.offline_after_s`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from keepline.gateway.registry import folded
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.clock import Clock
    from keepline.gateway.endings import Ending
    from keepline.gateway.session import Session
    from keepline.settings.webhook import Webhook as WebhookSettings


class Away(NamedTuple):
    """A device that has left and may be back in time; `until` is attentive time."""

    until: float
    device_id: str
    ending: Ending


class Presence:
    """Turns sessions and endings into events, and hands those that are wanted to `send`.

    Capitals make no other device, but it is told under the id that it shows.

    Each event has the device's claim: of two events about a device the one with the higher claim
    is the later, whatever order they come in.
    """

    __slots__ = ("_away", "_clock", "_most_away", "_offline_after_s", "_send", "_wanted")

    def __init__(
        self, settings: WebhookSettings, *, clock: Clock, send: Callable[[dict[str, object]], None]
    ) -> None:
        self._away: OrderedDict[str, Away] = OrderedDict()
        self._clock = clock
        self._most_away = settings.waiting_events
        self._offline_after_s = settings.offline_after_s
        self._send = send
        self._wanted = frozenset(settings.events)

    def started(self) -> None:
        """Tell that the gateway begins anew: no device is connected to it."""
        if "gateway.started" in self._wanted:
            self._send({"event": "gateway.started", "at": self._clock.wall()})

    def online(self, session: Session, *, takeover: bool) -> None:
        """A device has a session; nothing new if it had one before, or a moment ago."""
        back = self._away.pop(folded(session.device_id), None)
        if takeover or back is not None or "device.online" not in self._wanted:
            return
        self._send(
            {
                "event": "device.online",
                "at": self._clock.wall(),
                "device_id": session.device_id,
                "claim": session.claim,
                "session_id": session.session_id,
                "address": session.connection.address,
            }
        )

    def offline(self, device_id: str, ending: Ending, now: float) -> None:
        """A device's session has ended; it is told once the device has been away long enough.

        Who was replaced is elsewhere, and not away.
        """
        if ending.reason is CloseReason.REPLACED or ending.newer_claim is not None:
            return
        key = folded(device_id)
        away = self._away.get(key)
        if away is not None and away.ending.claim > ending.claim:
            return  # an older session, cleaned up late
        self._away[key] = Away(now + self._offline_after_s, device_id, ending)
        self._away.move_to_end(key)
        if self._offline_after_s == 0 or len(self._away) > self._most_away:
            self._tell_next()

    def each_second(self, now: float) -> None:
        """Tell of those who have been away long enough."""
        while self._away and next(iter(self._away.values())).until <= now:
            self._tell_next()

    def tell_all(self) -> None:
        """Tell of everybody who is away: the gateway leaves and will not know who came back."""
        while self._away:
            self._tell_next()

    def _tell_next(self) -> None:
        _, (_, device_id, ending) = self._away.popitem(last=False)
        if "device.offline" in self._wanted:
            reason = ending.reason
            event = {"event": "device.offline", "at": ending.at, "device_id": device_id}
            self._send(event | ending.told() | {"advice": reason.advice})
