"""PURE: bytes that no device says: what a server must answer with a Close, or put up with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.wire.frames import Opcode, encode_masked

if TYPE_CHECKING:
    from keepline.fleet.chance import Randomness
    from keepline.fleet.faults import BadKind

PINGS: Final = 200
OVERSIZE_BYTES: Final = 16 << 20
_WRONG_JSON: Final = (
    b"{",
    b"null",
    b'{"type":7}',
    b'{"type":"listen","state":[]}',
    b'{"type":"hello","audio_params":"none"}',
    b"[" * 200,
    b'"\xed\x95\x9c\\ud800"',
)
_BROKEN_UTF8: Final = (b"\xff\xfe", b'{"type":"\xc3\x28"}', b"\xed\xa0\x80", b"\xf4\x90\x80\x80")


def bad_bytes(kind: BadKind, chance: Randomness, audio_version: int) -> bytes:
    """Return what to write; it is whole frames unless the kind is about broken ones."""
    key = chance.randbytes(4)
    match kind:
        case "utf8":
            return encode_masked(Opcode.TEXT, chance.choice(_BROKEN_UTF8), key)
        case "json":
            return encode_masked(Opcode.TEXT, chance.choice(_WRONG_JSON), key)
        case "oversize":  # said, not sent: the header alone must be enough
            return bytes((0x82, 0xFF)) + OVERSIZE_BYTES.to_bytes(8) + key
        case "header":
            return encode_masked(Opcode.BINARY, _lying_packet(audio_version), key)
        case "pings":
            return encode_masked(Opcode.PING, b"flood", key) * PINGS
        case "frame":
            return chance.choice(
                (
                    b"\x81\x02{}",  # not masked
                    b"\xf1\x80" + key,  # reserved bits
                    b"\x83\x80" + key,  # an opcode that is none
                    b"\x09\x80" + key,  # a ping in pieces
                    b"\x80\x80" + key,  # the rest of nothing
                )
            )


def _lying_packet(audio_version: int) -> bytes:
    """Return a packet whose header says more than there is; version 1 has no header to lie in."""
    if audio_version == 1:
        return b""
    if audio_version == 2:  # noqa: PLR2004 (the versions have no other names)
        return b"\x00\x02\x00\x00" + bytes(8) + b"\xff\xff\xff\xff" + b"opus"
    return b"\x00\x00\xff\xffopus"
