"""A connection's last transitions, packed: four bytes each, so that every session can have them.

An entry is a big-endian word: the state that was entered (4 bits), the event that led there (4
bits), and the time spent in the state before, in tenths of a second (24 bits, 19 days at most).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from keepline.lifecycle.states import Event, State

KEPT: Final = 8
"""Entries of one connection; who idles and wakes all day keeps the last four rounds of it."""

_ENTRY_BYTES: Final = 4
_MOST_TENTHS: Final = (1 << 24) - 1
_STATES: Final = tuple(State)
_EVENTS: Final = tuple(Event)
_HEADS: Final = {
    (state, event): (i << 28) | (j << 24)
    for i, state in enumerate(_STATES)
    for j, event in enumerate(_EVENTS)
}


class Step(NamedTuple):
    """One transition: `event` led to `state` after `after_s` in the state before."""

    state: State
    event: Event
    after_s: float


def append(history: bytes, state: State, event: Event, after_s: float) -> bytes:
    """Return `history` with one more entry; the oldest goes when there are more than `KEPT`."""
    tenths = min(max(0, int(after_s * 10)), _MOST_TENTHS)
    entry = (_HEADS[state, event] | tenths).to_bytes(_ENTRY_BYTES)
    return history[-(KEPT - 1) * _ENTRY_BYTES :] + entry


def steps(history: bytes) -> list[Step]:
    """Return the entries, oldest first."""
    words = (
        int.from_bytes(history[at : at + _ENTRY_BYTES])
        for at in range(0, len(history), _ENTRY_BYTES)
    )
    return [
        Step(_STATES[word >> 28], _EVENTS[word >> 24 & 0xF], (word & _MOST_TENTHS) / 10)
        for word in words
    ]
