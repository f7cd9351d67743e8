"""One connection to an upstream, from its 101 to its end: frames both ways, as they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keepline.errors import ProtocolError
from keepline.wire import frames
from keepline.wire.events import Binary, Close, Ping, Pong, Text
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.reader import FrameReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.gateway.node import Node
    from keepline.relay.dialing import Answered
    from keepline.relay.session import RelaySession
    from keepline.relay.upstreams.upstream import Upstream
    from keepline.settings.relay import Relay as RelaySettings
    from keepline.wire.events import Event

HOLD_DEVICE = 1  # the device does not read
HOLD_TURN = 2  # its frames used up this loop turn
CLOSE_TIMEOUT_S = 1.0  # for an upstream to close TCP once it was told


class Link(asyncio.Protocol):
    """A device's way to its upstream; used once. `device` is None before and after it has one."""

    __slots__ = (
        "_broken",
        "_counts",
        "_early",
        "_ending",
        "_holds",
        "_is_full",
        "_keys",
        "_lowest_at",
        "_lowest_bytes",
        "_node",
        "_reader",
        "_settings",
        "_unanswered",
        "code",
        "device",
        "greeted_at",
        "is_used",
        "last_data",
        "last_rx",
        "session_id",
        "transport",
        "upstream",
        "wheel_tick",
        "words",
    )

    def __init__(
        self,
        node: Node,
        upstream: Upstream,
        answered: Answered,
        keys: Iterator[bytes],
        bound_s: float,
    ) -> None:
        """Take over what was `answered`; `keys` are for masks, in `bound_s` it needs a device."""
        now = node.ticker.now
        transport = answered.transport
        self.upstream = upstream
        self.transport = transport
        self.device: RelaySession | None = None
        self.greeted_at: float | None = None  # when it answered the hello
        self.is_used = False  # the device has said something over it
        self.session_id: str | None = None  # where it is not the one that the device was told
        self.last_rx = now
        self.last_data = now
        self.code: int | None = None  # of its Close
        self.words = ""
        self.wheel_tick = -1
        self._node = node
        self._settings: RelaySettings = node.settings.relay
        self._keys = keys
        self._reader = FrameReader(node.limits, masked=False)
        self._broken = ""
        self._counts = True
        self._ending = False
        self._holds = 0
        self._is_full = False  # it does not read
        self._unanswered: bytes | None = None  # its last ping while it did not
        self._lowest_at = now
        self._lowest_bytes = 0
        self._early = answered.early
        node.wheel.arm(self, now + bound_s)
        transport.set_write_buffer_limits(high=node.settings.outbox.high_water_bytes)
        transport.set_protocol(self)

    # -- to the upstream -------------------------------------------------------------------

    def take(self, device: RelaySession, hello: str) -> None:
        """Belong to `device`, and say its hello."""
        self.device = device
        self.send_text(hello)
        self.is_used = False
        self.resume_reading()
        self._node.wheel.arm(self, self._node.ticker.now + self._settings.hello_timeout_s)
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def send_text(self, text: str) -> None:
        """Send one text message."""
        self.is_used = True
        self.transport.write(encode_masked(Opcode.TEXT, text.encode(), next(self._keys)))

    def send_binary(self, data: bytes) -> None:
        """Send one binary message."""
        self.is_used = True
        self.transport.write(frames.masked_binary_frame(data, next(self._keys)))

    def pause_writing(self) -> None:
        """It does not read, so its device is not heard."""
        self._is_full = True
        self._lowest_at = self._node.ticker.now
        self._lowest_bytes = self.transport.get_write_buffer_size()
        if self.device is not None:
            self.device.connection.pause_receiving()
        self._node.wheel.arm_by(self, self._lowest_at + self._node.settings.outbox.stuck_after_s)

    def resume_writing(self) -> None:
        """It reads again."""
        self._is_full = False
        if self.device is not None:
            self.device.connection.resume_receiving()
        payload, self._unanswered = self._unanswered, None
        if payload is not None and not self._ending:
            self._pong(payload)

    # -- from the upstream -----------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """One whole frame goes on as it came: both ways out of a server are framed alike."""
        self.last_rx = self._node.ticker.now
        event = self._reader.receive_whole(data)
        if event is None:
            self._receive_parts(data)
        elif isinstance(event, Binary):
            self._pass_on(data)
        else:
            self._on_event(event)

    def _receive_parts(self, data: bytes) -> None:
        for event in self._reader.receive(data):
            if isinstance(event, Binary):
                self._pass_on(frames.binary_frame(event.data))
            else:
                self._on_event(event)
        if self._reader.pending:
            self._hold(HOLD_TURN)
            self._node.loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        if self._holds & HOLD_DEVICE or self.transport.is_closing():
            return
        self._unhold(HOLD_TURN)
        self._receive_parts(b"")

    def _pass_on(self, frame: bytes) -> None:
        self.last_data = self.last_rx
        if self.device is not None:
            self.device.pass_audio(frame)

    def _on_event(self, event: Event) -> None:
        device = self.device
        if self._ending:
            pass  # a Close was said: nothing is to be said any more (RFC 6455 §5.5.1)
        elif isinstance(event, Ping):
            self._on_ping(event.data)
        elif isinstance(event, Pong):
            pass  # it was life
        elif isinstance(event, Text):
            self.last_data = self.last_rx
            if device is not None:
                device.hear(self, event.text)
        elif isinstance(event, Close):
            self.code = 1005 if event.code is None else event.code  # RFC 6455 §7.1.5
            self.words = event.reason
            self._say_close(event.code)
            self._end()
        elif not isinstance(event, Binary):
            self._broken = event.error.detail
            self._counts = isinstance(event.error, ProtocolError)
            self._say_close(event.error.reason.code)
            self._end()

    def _on_ping(self, payload: bytes) -> None:
        """Answer it; of those of an upstream that does not read, the last (RFC 6455 §5.5.3)."""
        if self._is_full:
            self._unanswered = payload
        else:
            self._pong(payload)

    def _pong(self, payload: bytes) -> None:
        self.transport.write(encode_masked(Opcode.PONG, payload, next(self._keys)))

    def pause_reading(self) -> None:
        """The device does not read, so its upstream is not heard."""
        self._hold(HOLD_DEVICE)

    def resume_reading(self) -> None:
        """The device reads again."""
        self._unhold(HOLD_DEVICE)
        if self._holds & HOLD_TURN:
            self._next_turn()

    def _hold(self, why: int) -> None:
        if not self._holds:
            self.transport.pause_reading()
        self._holds |= why

    def _unhold(self, why: int) -> None:
        if self._holds == why and not self.transport.is_closing():
            self.transport.resume_reading()
        self._holds &= ~why

    # -- time ------------------------------------------------------------------------------

    def on_due(self, now: float) -> None:
        """Look again: it is silent, does not read, is needed no more, or has come too late."""
        if self._ending:
            self.transport.abort()
        elif self.device is None:
            self.close("nobody came for it")
        elif self.greeted_at is None:
            self.fail("no hello in time", counts=self.device.has_usual_hello)
        elif self._is_full and self._is_stuck(now):
            self.fail("it does not read", counts=False)  # perhaps its answer to a flood
        elif self.device.is_done_with(self, now):
            self.device.give_up(self)
        else:
            self._look(now)

    def look_at(self, due: float) -> None:
        """Look again at `due`."""
        self._node.wheel.arm(self, due)

    def _look(self, now: float) -> None:
        settings = self._settings
        if self._holds or self._is_full:
            self._node.wheel.arm(self, now + 1.0)  # not heard, its silence proves nothing
            self.last_rx = max(self.last_rx, now - settings.ping_interval_s)
            return
        silent_s = now - self.last_rx
        if silent_s >= settings.ping_interval_s + settings.ping_timeout_s:
            self.fail("no sign of life")
            return
        due = self.last_rx + settings.ping_interval_s
        if now >= due:
            due += settings.ping_timeout_s
            self.transport.write(encode_masked(Opcode.PING, b"", next(self._keys)))
        assert self.device is not None
        self._node.wheel.arm(self, min(due, self.device.done_with_at(self)))

    def _is_stuck(self, now: float) -> bool:
        """Whether its buffer has made no new low for as long as a device's may."""
        buffered_bytes = self.transport.get_write_buffer_size()
        if buffered_bytes < self._lowest_bytes:
            self._lowest_bytes = buffered_bytes
            self._lowest_at = now
        return now - self._lowest_at >= self._node.settings.outbox.stuck_after_s

    # -- the end ---------------------------------------------------------------------------

    def close(self, words: str, code: int = 1000) -> None:
        """End it from this side; bounded, and what still comes is heard by nobody."""
        device, self.device = self.device, None
        if not self._ending and not self.transport.is_closing():
            self._say_close(code, words)
            self._end()
        self._let_go(device)

    def fail(self, why: str, *, counts: bool = True) -> None:
        """End it because it does not do what it should.

        It `counts` against the upstream where no device could have brought it about.
        """
        self._broken = why
        self._counts = counts
        self.transport.abort()

    def _say_close(self, code: int | None, words: str = "") -> None:
        payload = frames.close_payload(code, words)
        self.transport.write(encode_masked(Opcode.CLOSE, payload, next(self._keys)))

    def _end(self) -> None:
        """The upstream closes TCP (RFC 6455 §7.1.1), or the bound does."""
        self._ending = True
        if self._holds and not self.transport.is_closing():  # or its FIN would not be heard
            self._holds = 0
            self.transport.resume_reading()
        self._node.wheel.arm(self, self._node.ticker.now + CLOSE_TIMEOUT_S)
        self._tell_lost()

    def connection_lost(self, exc: Exception | None) -> None:
        """TCP is gone, whoever ended it; this comes exactly once."""
        self._node.wheel.cancel(self)
        if not self._ending and not self._broken:
            self._broken = "connection lost" if exc is None else f"connection lost: {exc}"
        counted = self._broken if self._counts else ""
        self.upstream.closed(self._node.clock.now(), broken=counted)
        self._tell_lost()

    def _tell_lost(self) -> None:
        device, self.device = self.device, None
        if device is not None:
            device.on_lost(self, self._broken)
            self._let_go(device)

    def _let_go(self, device: RelaySession | None) -> None:
        """Hear a device again that was not heard because of this upstream."""
        if device is not None and self._is_full:
            self._is_full = False
            device.connection.resume_receiving()
