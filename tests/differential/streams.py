"""Byte streams for the differential test: mostly sound conversations, and some that are not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from keepline.wire.frames import Opcode, close_payload
from keepline.wire.masking import apply_mask

DATA_OPCODES = (Opcode.TEXT, Opcode.BINARY)
CONTROL_OPCODES = (Opcode.PING, Opcode.PONG)


@dataclass(frozen=True)
class RawFrame:
    """A frame in which every field can be wrong; `length` is what is declared, if not the truth."""

    opcode: int
    payload: bytes
    fin: bool = True
    reserved: int = 0
    wrong_mask: bool = False
    length: int | None = None
    length_bytes: int | None = None  # 0, 2 or 8; None for the fewest
    key: bytes = b"\x12\x34\x56\x78"

    def encode(self, *, masked: bool) -> bytes:
        masked ^= self.wrong_mask
        length = len(self.payload) if self.length is None else self.length
        width = self.length_bytes
        if width is None:
            width = 0 if length < 126 else 2 if length < 1 << 16 else 8
        short = {0: length, 2: 126, 8: 127}[width] & 0x7F
        head = bytes(
            ((0x80 if self.fin else 0) | self.reserved | self.opcode, masked << 7 | short)
        ) + (length % (1 << 8 * width)).to_bytes(width)
        if masked:
            return head + self.key + apply_mask(self.payload, self.key)
        return head + self.payload


keys = st.binary(min_size=4, max_size=4)
texts = st.text(max_size=40).map(str.encode)
sizes = st.sampled_from([0, 1, 2, 5, 124, 125, 126, 127, 300])
binaries = st.one_of(st.binary(max_size=30), sizes.map(bytes))
close_codes = st.sampled_from([1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])
controls = st.builds(RawFrame, st.sampled_from(CONTROL_OPCODES), st.binary(max_size=125), key=keys)
closes = st.builds(
    RawFrame,
    st.just(Opcode.CLOSE),
    st.one_of(st.just(b""), st.builds(close_payload, close_codes, st.text(max_size=50))),
    key=keys,
)


@st.composite
def messages(draw: st.DrawFn) -> list[RawFrame]:
    """One sound message, perhaps in fragments, perhaps with control frames between them."""
    opcode = draw(st.sampled_from(DATA_OPCODES))
    payload = draw(texts if opcode == Opcode.TEXT else binaries)
    marks = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    pieces = [payload[a:b] for a, b in zip([0, *marks], [*marks, len(payload)], strict=True)]
    frames: list[RawFrame] = []
    for i, piece in enumerate(pieces):
        frames += draw(st.lists(controls, max_size=1)) if i else []
        first = Opcode.CONTINUATION if i else opcode
        frames.append(RawFrame(first, piece, fin=i == len(pieces) - 1, key=draw(keys)))
    return frames


conversations = st.lists(
    st.one_of(messages(), controls.map(lambda frame: [frame])), max_size=6
).map(lambda parts: [frame for part in parts for frame in part])

# Frames that break one rule or another, or none, out of context.
odd_payloads = st.one_of(
    texts,
    st.sampled_from([b"\xff", b"ok\xc3", b"\xed\xa0\x80", b"\xf4\x90", b"\x03", b"\x03\xe8\xff"]),
    st.integers(0, 65_535).map(close_payload),
    st.binary(max_size=20),
    sizes.map(bytes),
)
odd_frames = st.builds(
    RawFrame,
    opcode=st.one_of(st.sampled_from([0, 1, 2, 8, 9, 10]), st.integers(0, 15)),
    payload=odd_payloads,
    fin=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 0, 0, 0, 0x40, 0x20, 0x10]),
    wrong_mask=st.sampled_from([False] * 9 + [True]),
    length_bytes=st.sampled_from([None] * 6 + [2, 8]),
)
lying_frames = st.builds(
    RawFrame,
    opcode=st.integers(0, 15),
    payload=st.binary(max_size=20),
    length=st.sampled_from([126, 65_535, 65_536, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]),
)
broken_conversations = st.tuples(
    conversations, st.lists(st.one_of(odd_frames, lying_frames, closes), max_size=3), conversations
).map(lambda parts: [frame for part in parts for frame in part])

cuts = st.lists(st.integers(0, 2_000), max_size=12)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut `stream` at these places, those beyond its end taken modulo its length."""
    marks = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    return [stream[a:b] for a, b in pairwise(marks)]
