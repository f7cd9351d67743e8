"""Bytes of one connection into events, however the network cut them (RFC 6455 §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.errors import InvalidDataError, PeerError
from keepline.wire.assembly import Assembly, assembly_for
from keepline.wire.control import control_event
from keepline.wire.events import Binary, Close, Event, Ping, Pong, Text, Violation
from keepline.wire.frames import Opcode
from keepline.wire.header import read_header
from keepline.wire.masking import apply_mask

if TYPE_CHECKING:
    from keepline.wire.limits import Limits

MASKED: Final = 0x80
"""The bit of a frame's second byte; as a server hears its clients."""

UNMASKED: Final = 0

_FIN = 0x80
_CONTROL = 0x08
_OPCODE = 0x0F
_SHORT = 125
_WHOLE_TEXT = _FIN | Opcode.TEXT
_WHOLE_BINARY = _FIN | Opcode.BINARY
_WHOLE_PING = _FIN | Opcode.PING
_WHOLE_PONG = _FIN | Opcode.PONG
_WHOLE = frozenset({_WHOLE_TEXT, _WHOLE_BINARY, _WHOLE_PING, _WHOLE_PONG})


def whole_frame(data: bytes, mask: int, message_bytes: int) -> Event | None:
    """Return the event if `data` is exactly one frame, and one that breaks no rule, else None.

    `mask` is MASKED or UNMASKED; a message is longer than `message_bytes` only for `FrameReader`.
    """
    size = len(data)
    if size < 6:  # noqa: PLR2004 (every masked frame has six bytes)
        return None
    first = data[0]
    if first not in _WHOLE:
        return None
    length = data[1] ^ mask
    start = 6 if mask else 2
    if length > _SHORT:
        length = data[2] << 8 | data[3] if length == _SHORT + 1 else 0
        if length <= _SHORT or first & _CONTROL:
            return None
        start += 2
    if start + length != size or length > message_bytes:
        return None
    payload = apply_mask(data[start:], data[start - 4 : start]) if mask else data[start:]
    if first == _WHOLE_BINARY:
        return Binary(payload)
    if first == _WHOLE_PONG:
        return Pong(payload)
    if first == _WHOLE_PING:
        return Ping(payload)
    try:
        return Text(payload.decode())
    except UnicodeDecodeError:
        return None


class FrameReader:
    """Finds the events in what a peer sends. One per connection, where whole frames do not do.

    After a Close or a Violation every further byte is ignored. `pending` is true while there may
    be more events in bytes already given. `limits` may be exchanged for others at any time; they
    hold from the next frame on.
    """

    __slots__ = (
        "__weakref__",
        "_assembly",
        "_at",
        "_calm",
        "_closely",
        "_ended",
        "_mask",
        "_rest",
        "limits",
        "pending",
    )

    def __init__(self, limits: Limits, *, masked: bool) -> None:
        """`masked`: frames must be masked (we are the server), else must not be (the client)."""
        self.limits = limits
        self._mask = MASKED if masked else UNMASKED
        self._calm = True  # nothing is held, open or over: a whole frame may take the short way
        self._closely = False  # never calm
        self._ended = False
        self._assembly: Assembly | None = None
        self._rest = b""  # not parsed yet: the start of a frame, or more than one turn's worth
        self._at = 0  # where in `_rest` to go on
        self.pending = False

    @property
    def buffered_bytes(self) -> int:
        """Bytes kept for later."""
        kept = len(self._rest) - self._at
        return kept if self._assembly is None else kept + len(self._assembly.payload)

    def receive(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes, from at most `limits.frames_per_turn` frames.

        If `pending` is true afterwards, call `receive(b"")` in the next turn of the loop and read
        nothing from the network until then. A broken rule is the last event, never an exception.
        """
        event = self.receive_whole(data)
        if event is not None:
            return [event]
        if self._ended:
            return []
        events: list[Event] = []
        try:
            self._parse(data, events)
        except PeerError as error:
            self._end()
            # Its traceback would hold this call's bytes and events, in a cycle.
            events.append(Violation(error.with_traceback(None)))
        except UnicodeDecodeError:
            self._end()
            events.append(Violation(InvalidDataError("text is not UTF-8")))
        return events

    @property
    def is_calm(self) -> bool:
        """Whether it holds nothing, is not watched and has not ended: a new one would do."""
        return self._calm

    def watch(self, *, closely: bool) -> None:
        """Have no frame take the short way, so that all are counted in one place; or do again."""
        self._closely = closely
        held = self._rest or self._assembly is not None
        self._calm = not (closely or self._ended or held)

    def receive_whole(self, data: bytes) -> Event | None:
        """Take the short way of `whole_frame`, if nothing is held; None for everything else."""
        return whole_frame(data, self._mask, self.limits.message_bytes) if self._calm else None

    def _parse(self, data: bytes, events: list[Event]) -> None:
        """Handle at most one turn's frames, append their events and keep what is left."""
        at = 0
        if self._rest:
            at, data = (0, self._rest[self._at :] + data) if data else (self._at, self._rest)
        self.pending = False
        for _ in range(self.limits.frames_per_turn):
            before = at
            at = self._step(data, at, events)
            if at == before or self._ended:
                break
        else:
            self.pending = at < len(data)
        if self._ended:
            return
        if self.pending:
            self._rest, self._at = data, at
        else:
            self._rest, self._at = data[at:], 0
        self._calm = not (self._closely or self._rest) and self._assembly is None

    def _step(self, data: bytes, at: int, events: list[Event]) -> int:
        """Handle one frame or what is there of it; return where it ends, `at` if too little is."""
        assembly = self._assembly
        if assembly is None or not assembly.left:
            header = read_header(data, at, self._mask)
            if header is None:
                return at
            first, length, start = header
            key = data[start - 4 : start] if self._mask else b""
            if first & _CONTROL:
                end = start + length
                if end > len(data):
                    return at
                payload = data[start:end]
                self._control(first & _OPCODE, apply_mask(payload, key) if key else payload, events)
                return end
            assembly = assembly_for(first & _OPCODE, self._assembly)
            assembly.open_frame(length, key, self.limits, final=first >= _FIN)
            self._assembly = assembly
            at = start
        at = assembly.take(data, at)
        if assembly.final and not assembly.left:
            self._assembly = None
            events.append(assembly.message())
        return at

    def _control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        event = control_event(opcode, payload)
        events.append(event)
        if type(event) is Close:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._calm = False
        self._assembly = None
        self._rest, self._at = b"", 0
        self.pending = False
