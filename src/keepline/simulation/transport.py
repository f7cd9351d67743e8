"""The gateway's end of a simulated TCP connection, as a loop's transport behaves."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from keepline.simulation.flow import FIN, RST, Mark

if TYPE_CHECKING:
    from keepline.simulation.flow import Segment
    from keepline.simulation.loop import VirtualLoop
    from keepline.simulation.plug import Tcp
    from keepline.simulation.timeline import Timeline

READ_BYTES: Final = 262_144
_DEFAULT_HIGH_BYTES: Final = 65_536
_AUDIO: Final = 0x82
_PING: Final = 0x89
_PONG: Final = 0x8A
_LONGER: Final = 126
_HEAD_BYTES: Final = 6
_LONG_HEAD_BYTES: Final = 8
_PONG_BYTES: Final = 10  # of an answer to a ping of ours


class Tap(Protocol):
    """Who sees what passes between a gateway's protocol and its transport."""

    def written(self, transport: HostTransport, data: bytes) -> None:
        """The gateway has written something, neither a ping nor audio."""

    def lost(self, transport: HostTransport) -> None:
        """The gateway knows that the connection is gone."""


class HostTransport(asyncio.Transport):
    """`last_read` is when the protocol was last given bytes, `data_at` when the last data frame."""

    def __init__(
        self,
        timeline: Timeline,
        loop: VirtualLoop,
        tap: Tap,
        tcp: Tcp,
        *,
        device_id: str,
        address: str,
        number: int,
        kernel_timeout_s: float | None,
    ) -> None:
        super().__init__({"peername": (address, 50_000)})
        self.number = number
        self.device_id = device_id
        self.tcp = tcp
        self.ended_as: str | None = None  # what its Close said, once it was written
        self.has_streamed = False
        self.round_trip_s: float | None = None  # of the latest pong that answers the latest ping
        self.last_read = self.data_at = timeline.now
        self.is_lost = False
        self.lost_at: float | None = None  # when the gateway was told
        self.down = tcp.down
        self.down.on_room = self._on_room
        self._ping = (0, 0.0)  # number and time of the latest one
        self._timeline = timeline
        self._loop = loop
        self._tap = tap
        self._kernel_timeout_s = kernel_timeout_s
        self._protocol: Any = None
        self._is_reading = False  # until its protocol has been told
        self._is_closing = False
        self._has_ended = False
        self._is_fin_sent = False
        self._arrived: deque[Segment] = deque()
        self._buffer: deque[bytes] = deque()
        self._buffer_bytes = 0
        self._high_bytes = _DEFAULT_HIGH_BYTES
        self._is_writing_paused = False
        self._is_watched = False

    def begin(self, protocol: asyncio.Protocol) -> None:
        """Be the transport of `protocol`, and read from now on."""
        self._protocol = protocol
        protocol.connection_made(self)
        self.resume_reading()

    # -- from the network ------------------------------------------------------------------

    def arrive(self, segment: Segment) -> None:
        """A segment has come to this machine's kernel."""
        if self.is_lost or self._loop.is_dead:
            if segment is not RST:
                self.down.send_past(RST)
            return
        loop = self._loop
        if loop.is_busy or self._arrived or not self._is_reading or self._is_closing:
            self._arrived.append(segment)
            if self._is_reading or self._buffer:
                loop.read_when_free(self._read)
        elif isinstance(segment, bytes):
            self.last_read = self._timeline.now
            if segment[0] == _PONG and len(segment) == _PONG_BYTES:
                self._note_pong(segment)
            else:
                self.data_at = self._timeline.now
                if self._ping[0] and not is_one_frame(segment):
                    self._lose_count()  # a pong may be among it
            loop.enter(self._protocol.data_received, segment)
        else:
            self._arrived.append(segment)
            loop.enter(self._read)

    def _note_pong(self, segment: bytes) -> None:
        key, payload = segment[2:6], segment[6:]
        number, sent_at = self._ping
        if int.from_bytes(key) ^ int.from_bytes(payload) == number:
            self.round_trip_s = self._timeline.now - sent_at
            self._ping = (0, 0.0)

    def _lose_count(self) -> None:
        """Measure nothing before the next ping."""
        self.round_trip_s = None
        self._ping = (0, 0.0)

    def _read(self) -> None:
        """One read of the socket: bytes, or the end."""
        if self.is_lost or not self._arrived:
            return
        if RST in self._arrived and (self._is_reading or self._buffer):
            self._arrived.clear()
            self._die(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))
            return
        if not self._is_reading or self._is_closing:
            return
        if self._arrived[0] is FIN:
            self._arrived.popleft()
            if not self._protocol.eof_received():
                self.close()
            return
        data = b""
        while self._arrived and len(data) < READ_BYTES:
            segment = self._arrived[0]
            if isinstance(segment, Mark):
                break
            data += segment
            self._arrived.popleft()
        self.last_read = self.data_at = self._timeline.now
        self._lose_count()
        if self._arrived:
            self._loop.call_soon(self._read)
        self._protocol.data_received(data)

    def _on_room(self) -> None:
        """The kernel takes more."""
        while self._buffer and (room_bytes := self._room()) > 0:
            data = self._buffer.popleft()
            if len(data) > room_bytes:
                self._buffer.appendleft(data[room_bytes:])
                data = data[:room_bytes]
            self._buffer_bytes -= len(data)
            self._send(data)
        if self._is_writing_paused and self._buffer_bytes <= self._high_bytes // 4:
            self._is_writing_paused = False
            self._loop.enter(self._protocol.resume_writing)
        if not self._buffer and not self.is_lost:
            if self._has_ended:
                self._send_fin()
            if self._is_closing:
                self._loop.enter(self._lose, None)

    def _room(self) -> int:
        return self.down.room_bytes if self.down.is_held else READ_BYTES

    def _give_up(self, since: float) -> None:
        """The kernel has sent in vain for too long (TCP_USER_TIMEOUT)."""
        self._is_watched = False
        down = self.down
        if self.is_lost or self._loop.is_dead or down.held_since is None or down.is_unread:
            return
        if down.held_since != since:
            self._watch()
        elif self._is_reading or self._buffer:  # a paused transport notices nothing
            self._loop.enter(self._die, TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))

    def _watch(self) -> None:
        since = self.down.held_since
        if since is not None and self._kernel_timeout_s is not None and not self._is_watched:
            self._is_watched = True
            self._timeline.at(since + self._kernel_timeout_s, self._give_up, since)

    # -- for the gateway -------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._has_ended:
            raise RuntimeError("nothing can be written after the end")
        if self._loop.is_dead:
            return
        data = bytes(data)
        if data[0] == _PING:
            self._ping = (int.from_bytes(data[2:]), self._timeline.now)
        elif data[0] != _AUDIO:
            self._tap.written(self, data)
        if self._is_closing:
            return
        down = self.down
        if not self._buffer and not down.is_held:
            down.send(data)
            return
        if not self._buffer and len(data) <= down.room_bytes:
            self._send(data)
            return
        self._buffer.append(data)
        self._buffer_bytes += len(data)
        if self._buffer_bytes > self._high_bytes and not self._is_writing_paused:
            self._is_writing_paused = True
            self._protocol.pause_writing()

    def _send(self, data: bytes) -> None:
        self.down.send(data)
        self._watch()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not (self._has_ended or self._is_closing):
            self._has_ended = True
            if not self._buffer:
                self._send_fin()

    def _send_fin(self) -> None:
        if not self._is_fin_sent:
            self._is_fin_sent = True
            self.down.send(FIN)

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if not self._buffer:
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self._die(None)

    def _die(self, error: Exception | None) -> None:
        self._is_closing = True
        self._buffer.clear()
        self._buffer_bytes = 0
        self._loop.call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        if self.is_lost:
            return
        self.is_lost = True
        self.lost_at = self._timeline.now
        self.down.on_room = None
        if error is None:
            self._send_fin()
        self._protocol.connection_lost(error)
        self._tap.lost(self)

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        if self._arrived:
            self._loop.call_soon(self._read)

    @property
    def is_heard(self) -> bool:
        """Whether the gateway listens to it."""
        return self._is_reading and not self._is_writing_paused

    def set_write_buffer_limits(
        self,
        high: int | None = None,
        low: int | None = None,  # noqa: ARG002 (asyncio's)
    ) -> None:
        self._high_bytes = _DEFAULT_HIGH_BYTES if high is None else high

    def get_write_buffer_size(self) -> int:
        return self._buffer_bytes

    def stalled_s(self, since: float) -> float:
        """Return how long its loop was blocked from then until now."""
        return self._loop.stalled_s(since)

    def stalls_since(self, since: float) -> int:
        """Return how many times its loop was blocked after `since`."""
        return self._loop.stalls_since(since)

    def vanish(self, *, silently: bool) -> None:
        """The process was killed: its kernel says so, unless the machine has lost its power."""
        self.is_lost = True
        self.down.on_room = None
        if not silently:
            self.down.send_past(RST)


def is_one_frame(segment: bytes) -> bool:
    """Whether that is one whole masked frame, of less than 64 KiB."""
    size = segment[1] & 0x7F if len(segment) > 1 else 0
    if size == _LONGER:
        return len(segment) == _LONG_HEAD_BYTES + int.from_bytes(segment[2:4])
    return len(segment) == _HEAD_BYTES + size
