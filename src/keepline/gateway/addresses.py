"""How much of a node one address may take: connections and handshakes at once, and in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.gateway.refusals import address_full, too_many_at_once, too_often
from keepline.gateway.throttle import Throttle, address_key

if TYPE_CHECKING:
    from keepline.settings.server import Server

BURST_S = 5
"""Who comes back after a restart of ours may do so at once, as far as this many seconds' worth."""

SHRINK_ABOVE = 1_024


class _Place:
    """One IPv4 address or IPv6 /64 network that connections come from."""

    __slots__ = ("arriving", "connections", "key")

    def __init__(self, key: str) -> None:
        self.key = key
        self.connections = 0
        self.arriving = 0  # of these, not upgraded yet


class Addresses:
    """Counts what comes from where. This machine itself, and who has no address, is not bounded.

    Bounded by the connections there are; what was counted for an address that has none any more
    is forgotten in seconds.
    """

    __slots__ = ("_most", "_most_arriving", "_peak", "_places", "_throttle")

    def __init__(self, settings: Server) -> None:
        rate = settings.accepts_per_address_per_s
        self._most = settings.connections_per_address
        self._most_arriving = settings.handshakes_per_address
        self._places: dict[str, _Place] = {}
        self._peak = 0
        self._throttle = None
        if rate is not None:
            self._throttle = Throttle(burst=rate * BURST_S, refill_s=1 / rate)

    def __len__(self) -> int:
        return len(self._places)

    def enter(self, address: str, now: float) -> str:
        """Count one more connection; return `address`, as one text for all that come from there.

        Raises RefusedError 429 for one too many; then nothing is counted.
        """
        if not address:
            return address  # a Unix socket
        key = address_key(address)
        place = self._places.get(key)
        if not _is_this_machine(address):
            if self._most is not None and place is not None and place.connections >= self._most:
                raise address_full()
            if self._is_crowded(place):
                raise too_many_at_once()
            if self._throttle is not None and not self._throttle.take(key, now):
                raise too_often(self._throttle.wait_s(key, now))
        if place is None:
            place = self._places[key] = _Place(key)
            self._peak = max(self._peak, len(self._places))
        place.connections += 1
        place.arriving += 1
        return place.key if place.key == address else address

    def bounds(self, address: str) -> bool:
        """Return whether that address is bounded at all."""
        return bool(address) and not _is_this_machine(address)

    def connections(self, address: str) -> int:
        """Return how many connections there are from where `address` is."""
        place = self._places.get(address_key(address))
        return 0 if place is None else place.connections

    def is_half_crowded(self, address: str) -> bool:
        """Return whether half of the handshakes are under way there that may be."""
        place = self._places.get(address_key(address)) if self.bounds(address) else None
        most = self._most_arriving
        return place is not None and most is not None and 2 * place.arriving > most

    def upgraded(self, address: str) -> None:
        """One that had entered is no handshake any more; who never entered changes nothing."""
        place = self._places.get(address_key(address))
        if place is not None:
            place.arriving -= 1

    def leave(self, address: str, *, arriving: bool = False) -> None:
        """A connection that had entered is gone; who never entered changes nothing."""
        key = address_key(address)
        place = self._places.get(key)
        if place is None:
            return
        place.connections -= 1
        place.arriving -= arriving
        if not place.connections:
            del self._places[key]
            # A dict never shrinks by deletion.
            if self._peak > SHRINK_ABOVE and len(self._places) * 4 < self._peak:
                self._places = dict(self._places)
                self._peak = len(self._places)

    def _is_crowded(self, place: _Place | None) -> bool:
        return (
            self._most_arriving is not None
            and place is not None
            and place.arriving >= self._most_arriving
        )

    def each_second(self, now: float) -> None:
        """Forget how often somebody came who may come as often as ever again."""
        if self._throttle is not None:
            self._throttle.forget_full(now)


def _is_this_machine(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
