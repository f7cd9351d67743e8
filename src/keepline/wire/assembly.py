"""A message of which only a part has arrived, and the frame of it that is still open."""

from __future__ import annotations

from codecs import utf_8_decode
from typing import TYPE_CHECKING

from keepline.errors import ProtocolError, TooBigError
from keepline.wire.events import Binary, Text
from keepline.wire.frames import Opcode
from keepline.wire.masking import apply_mask

if TYPE_CHECKING:
    from keepline.wire.limits import Limits

_SURROGATES = b"\xed\xa0", b"\xed\xbf"  # how U+D800 to U+DFFF would begin


class Assembly:
    """Payload is unmasked, and text checked to be UTF-8, as it arrives (RFC 6455 §8.1).

    `left` is how many bytes the open frame still lacks, `final` whether it is the last one.
    """

    __slots__ = ("_checked", "_fragments", "_key", "_phase", "final", "left", "payload", "text")

    def __init__(self, opcode: int) -> None:
        self.text = opcode == Opcode.TEXT
        self.payload = bytearray()
        self.final = False
        self.left = 0
        self._checked = 0  # so many bytes of the payload are whole characters
        self._fragments = 0
        self._key = b""
        self._phase = 0

    def open_frame(self, length: int, key: bytes, limits: Limits, *, final: bool) -> None:
        """Begin the next frame; raises TooBigError from its header alone."""
        if len(self.payload) + length > limits.message_bytes:
            raise TooBigError("message is longer than the limit")
        if self._fragments == limits.message_fragments:
            raise TooBigError("message has more fragments than the limit")
        self._fragments += 1
        self.left = length
        self.final = final
        self._key = key
        self._phase = 0

    def take(self, data: bytes, at: int) -> int:
        """Take what `data` holds of the open frame from `at` on; returns where it ends.

        Raises UnicodeDecodeError at the first byte that no text can contain.
        """
        piece = data[at : at + self.left]
        size = len(piece)
        self.left -= size
        self.payload += apply_mask(piece, self._key, self._phase) if self._key else piece
        self._phase = (self._phase + size) & 3
        if self.text:
            self._check_text()
        return at + size

    def message(self) -> Text | Binary:
        """Return the whole message, after its final frame.

        Raises UnicodeDecodeError when a text ends inside a character.
        """
        return Text(self.payload.decode()) if self.text else Binary(bytes(self.payload))

    def _check_text(self) -> None:
        payload = self.payload
        with memoryview(payload) as view, view[self._checked :] as unchecked:
            self._checked += utf_8_decode(unchecked, "strict", False)[1]
        # Python waits for a third byte here, but two are enough to know a surrogate.
        if self._checked == len(payload) - 2 and _SURROGATES[0] <= payload[-2:] <= _SURROGATES[1]:
            raise UnicodeDecodeError("utf-8", bytes(payload[-2:]), 0, 2, "surrogate")


def assembly_for(opcode: int, assembly: Assembly | None) -> Assembly:
    """Return what a data frame belongs to; ProtocolError when it is out of order (§5.4)."""
    if opcode == Opcode.CONTINUATION:
        if assembly is None:
            raise ProtocolError("continuation frame without a message to continue")
        return assembly
    if assembly is not None:
        raise ProtocolError("new message before the fragmented one has ended")
    return Assembly(opcode)
