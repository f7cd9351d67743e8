"""A node without a socket: its clock is moved by hand, its transports only remember."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from io import StringIO
from itertools import count
from typing import Any, cast

from keepline.clock import ManualClock
from keepline.gateway.auth import Authenticator, StaticToken
from keepline.gateway.connection import Connection
from keepline.gateway.handler import AnyHandler, Handler
from keepline.gateway.identity import Identity
from keepline.gateway.node import Node
from keepline.gateway.receiver import Receiver
from keepline.gateway.session import Session
from keepline.hub.port import Claim
from keepline.hub.twin import TwinHub
from keepline.lifecycle.machine import Lifecycle
from keepline.lifecycle.states import Event
from keepline.lifecycle.wheel import TICK_S
from keepline.log import Log
from keepline.monitor.metrics import Counters
from keepline.reasons import CloseReason
from keepline.settings import Settings
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.handshake import Request
from keepline.wire.messages import DeviceMessage, Hello

TOKEN = "a-token-for-tests"
KEY = bytes((0x12, 0x34, 0x56, 0x78))


class FakeSocket:
    """Remembers what it was asked to be."""

    def __init__(self) -> None:
        self.options: list[tuple[int, int, bytes]] = []

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        self.options.append((level, name, value))


class FakeTransport(asyncio.Transport):
    """Remembers what was written, and takes nothing from nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reading = True
        self.closed = False
        self.ended = False  # our side only
        self.aborted = False
        self.gone = False
        self.buffered_bytes = 0
        self.socket = FakeSocket()
        self.peername = ("192.0.2.7", 50_000)
        self.protocol: asyncio.BaseProtocol | None = None
        self.limits: tuple[int | None, int | None] = (None, None)
        self.on_write: Callable[[], None] | None = None

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self.gone or self.ended:  # as uvloop does
            raise RuntimeError("nothing can be written any more")
        self.written.append(bytes(data))
        if self.on_write is not None:
            self.on_write()

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.buffered_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = (high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"socket": self.socket, "peername": self.peername}.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """Opcode and payload of every whole frame written."""
        return list(split_frames(b"".join(self.written)))

    @property
    def close_code(self) -> int | None:
        """The code of the Close frame that was written; None when there is none."""
        codes = [payload for opcode, payload in self.frames if opcode == Opcode.CLOSE]
        assert len(codes) <= 1, "a Close is sent once"
        return int.from_bytes(codes[0][:2]) if codes else None


def split_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield opcode and payload of unmasked, unfragmented frames up to 64 KiB."""
    at = 0
    while at < len(data):
        length, at_payload = data[at + 1], at + 2
        if length == 126:
            length, at_payload = int.from_bytes(data[at + 2 : at + 4]), at + 4
        yield data[at] & 0x0F, data[at_payload : at_payload + length]
        at = at_payload + length


class Recorder(Handler):
    """Remembers its calls in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def opened(self, session: Session) -> None:
        self.calls.append(("opened", None))

    def text(self, session: Session, message: DeviceMessage) -> None:
        self.calls.append(("text", message))

    def audio(self, session: Session, frame: bytes) -> None:
        self.calls.append(("audio", frame))

    def idle(self, session: Session) -> None:
        self.calls.append(("idle", None))

    def woken(self, session: Session) -> None:
        self.calls.append(("woken", None))

    def draining(self, session: Session) -> None:
        self.calls.append(("draining", None))

    def closed(self, session: Session, reason: CloseReason) -> None:
        self.calls.append(("closed", reason))


class Slow(Recorder):
    """Its `text` and `audio` begin at once and end when `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.under_way = 0
        self.most_at_once = 0

    async def _take(self, name: str, what: object) -> None:
        self.calls.append((name, what))
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await self.go.wait()
        finally:
            self.under_way -= 1

    async def text(self, session: Session, message: DeviceMessage) -> None:  # type: ignore[override]
        await self._take("text", message)

    async def audio(self, session: Session, frame: bytes) -> None:  # type: ignore[override]
        await self._take("audio", frame)


class Life:
    """One living connection with all its ends."""

    def __init__(self, connection: Connection, session: Session) -> None:
        self.connection = connection
        self.session = session
        self.transport = cast("FakeTransport", connection.transport)

    @property
    def handler(self) -> Recorder:
        return cast("Recorder", self.session.handler)

    @property
    def heard(self) -> list[Any]:
        """Every text message that was written, parsed."""
        frames = self.transport.frames
        return [json.loads(payload) for opcode, payload in frames if opcode == Opcode.TEXT]

    def says(self, text: str) -> None:
        self.connection.data_received(encode_masked(Opcode.TEXT, text.encode(), KEY))

    def streams(self, frame: bytes) -> None:
        self.connection.data_received(encode_masked(Opcode.BINARY, frame, KEY))

    def pings(self, payload: bytes = b"") -> None:
        self.connection.data_received(encode_masked(Opcode.PING, payload, KEY))

    def pongs(self, payload: bytes) -> None:
        self.connection.data_received(encode_masked(Opcode.PONG, payload, KEY))

    def says_close(self, payload: bytes = b"") -> None:
        self.connection.data_received(encode_masked(Opcode.CLOSE, payload, KEY))

    def loses_tcp(self, error: Exception | None = None) -> None:
        self.transport.closed = self.transport.gone = True
        self.connection.connection_lost(error)


class World:
    """A node with everything around it made up; needs a running loop, never waits for it."""

    def __init__(
        self,
        make_handler: Callable[[], AnyHandler] = Recorder,
        authenticator: Authenticator | None = None,
        clock: ManualClock | None = None,
        handler_threads: Executor | None = None,
        **sections: dict[str, Any],
    ) -> None:
        document = {"server": {"port": 0}, "auth": {"token": TOKEN}, **sections}
        self.clock = clock or ManualClock()
        self.counters = Counters()
        self.log_lines = StringIO()
        numbers = count(1)
        self.claims = count(1)
        self.hub = TwinHub(self.clock)
        self.node = Node(
            Settings.model_validate(document),
            loop=asyncio.get_running_loop(),
            clock=self.clock,
            random=random.Random(7),
            executor=None,
            handler_threads=handler_threads,
            log=Log(self.log_lines, self.clock, level="debug", style="json", fold_per_s=10_000),
            counters=self.counters,
            authenticator=authenticator or StaticToken(TOKEN),
            make_handler=make_handler,
            make_session_id=lambda: f"session-{next(numbers)}",
            hub=self.hub,
        )

    def greeted(self, receiver: Receiver, profile: str = "xiaozhi") -> Connection:
        """Return a connection whose 101 is out and whose hello has not come yet."""
        lifecycle = Lifecycle(self.node.ticker.now)
        lifecycle.receive(Event.REQUEST_ACCEPTED, self.node.ticker.now)
        return Connection(
            self.node, FakeTransport(), lifecycle, receiver, self.node.settings.profiles[profile]
        )

    def connect(self, device_id: str = "device-1", hello: Hello | None = None) -> Life:
        """Return a connection with a session whose hello was answered."""
        connection = self.greeted(Receiver())
        identity = Identity(device_id, "client-1")
        session = self.open(connection, identity, hello or Hello())
        return Life(connection, session)

    def open(self, connection: Connection, identity: Identity, hello: Hello) -> Session:
        """Open a session on a connection, its device claimed."""
        claim = Claim(identity.device_id, self.node.make_session_id(), next(self.claims))
        return self.node.open_session(connection, identity, hello, claim)

    def pass_time(self, for_s: float) -> None:
        """Tick by tick, as a loop that never stalls does."""
        for _ in range(round(for_s / TICK_S)):
            self.clock.advance(TICK_S)
            self.node.ticker.advance()

    def stall(self, for_s: float) -> None:
        """Our own loop stands still for that long, then ticks once."""
        self.clock.advance(for_s)
        self.node.ticker.advance()

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log_lines.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]


def device_request(**changes: Any) -> Request:
    """Return an upgrade as a device sends it, with `changes` to the request's fields."""
    fields: dict[str, Any] = {
        "method": "GET",
        "path": "/xiaozhi/v1/",
        "query": {},
        "headers": {
            "host": "gateway",
            "authorization": f"Bearer {TOKEN}",
            "device-id": "device-1",
            "client-id": "client-1",
        },
        "key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "content_length": 0,
        "body": b"",
    }
    return Request(**{**fields, **changes})


async def settle() -> None:
    """Let every task that can run now do so, a few times over."""
    for _ in range(10):
        await asyncio.sleep(0)
