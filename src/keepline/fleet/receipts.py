"""PURE: which messages a device that acknowledges has had already, over all of its connections."""

from __future__ import annotations

from typing import Final

MOST_KEPT: Final = 64  # ids that one device remembers


class Receipts:
    """The ids of the latest messages, the oldest first."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def is_new(self, message_id: str) -> bool:
        """Note an id; False when it was there already: the same message, said again."""
        if message_id in self._ids:
            return False
        if len(self._ids) >= MOST_KEPT:
            del self._ids[next(iter(self._ids))]
        self._ids[message_id] = None
        return True
