"""Rendezvous hashing: each device has its own order of the upstreams, whoever else there is."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_BYTES: Final = 8
_ALL: Final = 1 << (8 * _BYTES)


def draw(device_id: str, name: str) -> float:
    """Return this pair's number in [0, 1): always the same, and spread evenly.

    The upstream with the largest is the device's own. One that is added or taken away moves only
    the devices whose largest it is: one in n.
    """
    # An upstream's name has no NUL, so no two pairs are the same bytes.
    text = f"{name}\0{device_id}".encode()
    return int.from_bytes(blake2b(text, digest_size=_BYTES).digest(), "big") / _ALL
