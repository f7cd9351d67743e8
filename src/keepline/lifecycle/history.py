"""A connection's last transitions, packed: four bytes each, so that every session can have them.

An entry is a big-endian word: the state that was entered (4 bits), the event that led there (4
bits), and the time spent in the state before, in tenths of a second (24 bits, 19 days at most).
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from keepline.lifecycle.states import Event, State

if TYPE_CHECKING:
    from collections.abc import Collection

KEPT: Final = 8
"""Entries of one connection; who idles and wakes all day keeps the last four rounds of it."""

_ENTRY_BYTES: Final = 4
_WORDS: Final = struct.Struct(">I")
_BEGINNING_BYTES: Final = 3 * _ENTRY_BYTES
_LASTING: Final = frozenset({State.AUTHENTICATING, State.ACTIVE, State.IDLE})
_MOST_TENTHS: Final = (1 << 24) - 1
_STATES: Final = tuple(State)
_EVENTS: Final = tuple(Event)
_HEADS: Final = {
    (state, event): (i << 28) | (j << 24)
    for i, state in enumerate(_STATES)
    for j, event in enumerate(_EVENTS)
}


class Step(Struct, frozen=True, gc=False):
    """One transition: `event` led to `state` after `after_s` in the state before."""

    state: State
    event: Event
    after_s: float


def append(history: bytes, state: State, event: Event, after_s: float) -> bytes:
    """Return `history` with one more entry; the oldest goes when there are more than `KEPT`."""
    tenths = int(after_s * 10)
    if not 0 <= tenths <= _MOST_TENTHS:
        tenths = 0 if tenths < 0 else _MOST_TENTHS
    word = _HEADS[state, event] | tenths
    if len(history) < _BEGINNING_BYTES and state in _LASTING:
        return _beginning(history, word)
    return history[-(KEPT - 1) * _ENTRY_BYTES :] + word.to_bytes(_ENTRY_BYTES)


@lru_cache(maxsize=64)
def _beginning(history: bytes, word: int) -> bytes:
    """Return the first entries of a life; a fleet has them in common, 64 bytes for each of it."""
    return history + word.to_bytes(_ENTRY_BYTES)


def latest_state(history: bytes, among: Collection[State]) -> State | None:
    """Return the last of the states `among` these that was entered, None for none of them."""
    for at in range(len(history) - _ENTRY_BYTES, -1, -_ENTRY_BYTES):
        state = _STATES[history[at] >> 4]
        if state in among:
            return state
    return None


def steps(history: bytes) -> list[Step]:
    """Return the entries, oldest first."""
    return [
        Step(_STATES[word >> 28], _EVENTS[word >> 24 & 0xF], (word & _MOST_TENTHS) / 10)
        for (word,) in _WORDS.iter_unpack(history)
    ]
