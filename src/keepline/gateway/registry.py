"""Who is connected to this node: live sessions by device id."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.gateway.session import Session


class Registry:
    """Newest wins: a device has one holder, and an older one's late cleanup cannot touch it.

    Capitals make no other device: else one that is enrolled could be thousands at once.
    """

    __slots__ = ("_by_device", "_peak", "_replaced", "_shrink_below")

    def __init__(self, *, shrink_below: int = 1_024) -> None:
        self._by_device: dict[str, Session] = {}
        self._replaced: set[Session] = set()  # and on their way out
        self._peak = 0
        self._shrink_below = shrink_below

    def __len__(self) -> int:
        return len(self._by_device) + len(self._replaced)

    def __contains__(self, session: Session) -> bool:
        """Whether that session has not been released yet."""
        return session in self._replaced or self.by_device(session.device_id) is session

    def __iter__(self) -> Iterator[Session]:
        """Iterate over a copy: sessions leave while somebody looks."""
        return iter([*self._replaced, *self._by_device.values()])

    def claim(self, session: Session) -> Session | None:
        """Make `session` its device's holder and return the holder before."""
        key = folded(session.device_id)
        older = self._by_device.get(key)
        self._by_device[key] = session
        if older is not None:
            self._replaced.add(older)
        self._peak = max(self._peak, len(self._by_device))
        return older

    def release(self, session: Session) -> bool:
        """Forget `session`; True if it still held its device. Idempotent."""
        self._replaced.discard(session)
        key = folded(session.device_id)
        held = self._by_device.get(key) is session
        if held:
            del self._by_device[key]
        self._give_memory_back()
        return held

    def by_device(self, device_id: str) -> Session | None:
        """Return the session that holds this device, or None."""
        return self._by_device.get(folded(device_id))

    def _give_memory_back(self) -> None:
        # A dict never shrinks by deletion; copy it once most of a former crowd has left.
        live = len(self._by_device)
        if self._peak > self._shrink_below and live * 4 < self._peak:
            self._by_device = dict(self._by_device)
            self._peak = live


def folded(device_id: str) -> str:
    """Return what spellings of one device id have in common; mostly the same object."""
    small = device_id.lower()
    return device_id if small == device_id else small
