"""Kick wars: two that say to be one device and take it from each other, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from keepline.gateway.registry import folded
from keepline.gateway.throttle import address_key

if TYPE_CHECKING:
    from keepline.gateway.identity import Identity
    from keepline.gateway.session import Session
    from keepline.settings.flapping import Flapping as Settings

T = TypeVar("T")

MOST_AT_ODDS: Final = 4_096
"""Devices that two fight about, and as many that two have fought about; beyond it the one that
began first is forgotten."""

MOST_TAKEOVERS: Final = 32
"""So many of one device are kept: more within their time are a war, too, whoever they are by."""


class Origin(NamedTuple):
    """What two that have one device id differ in: a device that restarts has the same of both."""

    client_id: str
    address: str


class Kick(NamedTuple):
    """One takeover: who lost the device, and whether the winner had lost it before."""

    at: float
    loser: Origin
    mutual: bool


class War(NamedTuple):
    """A device that is kept for who holds it until `until`, after so many `kicks`.

    Those are the mutual ones, or all of them where it was taken by ever another.
    """

    device_id: str
    kicks: int
    since: float
    until: float


class Kicks:
    """Takeovers between different origins, as long as they matter; nothing of any other device."""

    __slots__ = ("_kicks", "_settings", "wars")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kicks: dict[str, tuple[Kick, ...]] = {}
        self.wars: dict[str, War] = {}

    def __len__(self) -> int:
        return len(self._kicks) + len(self.wars)

    def note(self, newer: Session, older: Session, now: float) -> War | None:
        """`newer` took the device from `older`; return the war that has begun with it."""
        winner, loser = origin_of(newer), origin_of(older)
        if winner == loser:
            return None
        key = folded(newer.device_id)
        recent = self._recent(key, now)
        mutual = any(kick.loser == winner for kick in recent)
        recent = (*recent, Kick(now, loser, mutual))
        kicks = sum(kick.mutual for kick in recent)
        if kicks <= self._settings.kicks and len(recent) <= MOST_TAKEOVERS:
            _keep(self._kicks, key, recent)
            return None
        self._kicks.pop(key, None)
        if kicks <= self._settings.kicks:
            kicks = len(recent)
        war = War(key, kicks, now, now + self._settings.kick_hold_s)
        _keep(self.wars, key, war)
        return war

    def holding_off(self, identity: Identity, address: str, holder: Session | None) -> War | None:
        """Return the war that keeps this newcomer from the device, which `holder` has."""
        war = self.wars.get(folded(identity.device_id))
        if war is None or holder is None:
            return None
        newcomer = Origin(identity.client_id, address_key(address))
        return None if newcomer == origin_of(holder) else war

    def settle(self, now: float) -> list[War]:
        """Forget what is too long ago; return the wars that are over."""
        over = [war for war in self.wars.values() if now >= war.until]
        for war in over:
            del self.wars[war.device_id]
        for key in [key for key, kicks in self._kicks.items() if self._is_old(kicks[-1], now)]:
            del self._kicks[key]
        return over

    def lift(self, device_id: str) -> bool:
        """Forget what was between those that have this id; True if one of them was held off."""
        key = folded(device_id)
        self._kicks.pop(key, None)
        return self.wars.pop(key, None) is not None

    def _recent(self, key: str, now: float) -> tuple[Kick, ...]:
        kicks = self._kicks.get(key, ())
        return tuple(kick for kick in kicks if not self._is_old(kick, now))

    def _is_old(self, kick: Kick, now: float) -> bool:
        return now - kick.at > self._settings.kicks_within_s


def _keep(kept: dict[str, T], key: str, value: T) -> None:
    """Put `value` last; the first has to go when there are too many."""
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > MOST_AT_ODDS:
        del kept[next(iter(kept))]


def origin_of(session: Session) -> Origin:
    """Return where a session's device connected from, and as which client."""
    return Origin(session.client_id, address_key(session.connection.address))
