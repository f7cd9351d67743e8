"""Of which devices something may be kept: who has left no trace need not be looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from keepline.hub.operations import Transaction

PLACES: Final = 1 << 17
"""A byte each, and memory only where one is used: 15,000 that left something hide a tenth of all
others, who are then looked for in vain."""


class Traces:
    """A set of device ids that never forgets, and now and then takes one for another.

    Any thread may leave a trace.
    """

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places = bytearray(PLACES)

    def leave(self, device_id: str) -> None:
        """Something is kept of it from now on."""
        self._places[_place(device_id)] = 1

    def __contains__(self, device_id: str) -> bool:
        return bool(self._places[_place(device_id)])


class FindTraces(NamedTuple):
    """Leave a trace of every device of which the file has something."""

    traces: Traces
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> None:
        for (device_id,) in transaction.execute("select device_id from state"):
            self.traces.leave(device_id)


def _place(device_id: str) -> int:
    # Not `hash`: a simulation has to meet the same confusions again.
    return crc32(device_id.encode("utf-8", "replace")) % PLACES
