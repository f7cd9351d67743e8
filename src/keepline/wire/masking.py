"""Masking of payloads (RFC 6455 §5.3): the same operation puts a mask on and takes it off."""

from __future__ import annotations

# Up to here one XOR of two big integers is the fastest way that plain Python has. Beyond, four
# table look-ups over every fourth byte win, and cost the same per byte whatever the size.
_INTEGER_BYTES = 1024

# Up to here, all of speech, the key's repetition is a product: as many ones as it has words.
_PRODUCT_BYTES = 512

_from_bytes = int.from_bytes
_ONES = [_from_bytes(b"\0\0\0\1" * words) for words in range(_PRODUCT_BYTES // 4 + 1)]
_IDENTITY = _from_bytes(bytes(range(256)))
# One table per key byte: _TABLES[k][b] == b ^ k.
_TABLES = [(_IDENTITY ^ _from_bytes(bytes([k]) * 256)).to_bytes(256) for k in range(256)]


def apply_mask(data: bytes, key: bytes, offset: int = 0) -> bytes:
    """XOR `data` with the four bytes of `key`; `offset` is where in its frame `data` begins."""
    phase = offset & 3
    if phase:
        key = key[phase:] + key[:phase]
    size = len(data)
    if size == 4:  # noqa: PLR2004 (as long as the key: what a pong of our pings has)
        return (_from_bytes(data) ^ _from_bytes(key)).to_bytes(size)
    if size <= _PRODUCT_BYTES:
        words = size + 3 >> 2
        repeated = _from_bytes(key) * _ONES[words]
        if size & 3:
            repeated >>= 8 * (4 * words - size)
        return (_from_bytes(data) ^ repeated).to_bytes(size)
    if size <= _INTEGER_BYTES:
        pattern = (key * ((size + 3) // 4))[:size]  # no copy where nothing is cut off
        return (_from_bytes(data) ^ _from_bytes(pattern)).to_bytes(size)
    masked = bytearray(data)
    for lane in range(4):
        masked[lane::4] = masked[lane::4].translate(_TABLES[key[lane]])
    return bytes(masked)
