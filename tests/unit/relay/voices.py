"""A relayed device and its upstreams without sockets, in time that is moved by hand."""

from __future__ import annotations

import json
from typing import Any, cast
from unittest import mock

from keepline.gateway.identity import Identity
from keepline.gateway.opening import Opening
from keepline.gateway.receiver import Receiver
from keepline.hub.port import Claim
from keepline.relay.link import Link
from keepline.relay.relay import Relay
from keepline.relay.session import RelaySession
from keepline.relay.upstreams.pool import Pool
from keepline.relay.wait import Wait
from keepline.wire.frames import Opcode, binary_frame, close_frame, encode, text_frame
from keepline.wire.masking import apply_mask
from keepline.wire.messages import Hello
from tests.unit.gateway.fakes import FakeTransport, Life, World, device_request

SAID = '{"type":"hello","version":1,"transport":"websocket"}'


def hello(session_id: str = "up-1") -> str:
    return json.dumps({"type": "hello", "transport": "websocket", "session_id": session_id})


class Voice:
    """An upstream's end of one link."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.transport = cast("FakeTransport", link.transport)

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """Opcode and payload of every frame that came, all masked and below 64 KiB."""
        data, found = b"".join(self.transport.written), []
        while data:
            assert data[1] & 0x80, "a client masks"
            size, start = data[1] & 0x7F, 2
            if size == 126:
                size, start = int.from_bytes(data[2:4]), 4
            key, payload = data[start : start + 4], data[start + 4 : start + 4 + size]
            found.append((data[0] & 0x0F, apply_mask(payload, key)))
            data = data[start + 4 + size :]
        return found

    @property
    def heard(self) -> list[str | bytes]:
        """Messages that came behind the hello."""
        data = [frame for frame in self.frames if frame[0] in {Opcode.TEXT, Opcode.BINARY}]
        return [said.decode() if kind == Opcode.TEXT else said for kind, said in data][1:]

    def says(self, message: str | bytes) -> None:
        frame = text_frame(message) if isinstance(message, str) else binary_frame(message)
        self.link.data_received(frame)

    def pings(self, payload: bytes) -> None:
        self.link.data_received(encode(Opcode.PING, payload))

    def says_close(self, code: int | None, words: str = "") -> None:
        self.link.data_received(close_frame(code, words))

    def loses_tcp(self, error: Exception | None = None) -> None:
        self.transport.closed = self.transport.gone = True
        self.link.connection_lost(error)


class Relayed(World):
    """A node with a relay whose connects wait until a test has them succeed or fail."""

    def __init__(self, **sections: Any) -> None:
        sections.setdefault("upstream", {"urls": ["ws://a/", "ws://b/"], "slow_start_s": 0})
        super().__init__(**sections)
        self.pool = Pool(self.node.settings.upstream, lambda change: None)
        self.relay = Relay(self.node, self.pool, draw=bytes)
        self.node.behind = self.relay
        self.dials: list[Wait] = []
        mock.patch.object(Relay, "dial", lambda _, wait: self.dials.append(wait)).start()

    def come(self, device_id: str = "device-1") -> Life:
        connection = self.greeted(Receiver())
        claim = Claim(device_id, self.node.make_session_id(), next(self.claims))
        opening = Opening(device_request(), SAID)
        session = self.node.open_session(
            connection, Identity(device_id, "client-1"), Hello(features={}), claim, opening
        )
        return Life(connection, session)

    def succeed(self, *, greet: str | None = "up-1") -> Voice:
        """Have the next connect succeed; `greet` is the session id in the upstream's hello."""
        wait = self.dials.pop(0)
        upstream = self.pool.choose("", self.clock.now(), self.node.random.random)
        assert upstream is not None
        upstream.opened(self.clock.now())
        answered = mock.Mock(transport=FakeTransport(), early=b"")
        voice = Voice(Link(self.node, upstream, answered, self.relay._keys, 5.0))
        wait.session.take(voice.link)
        if greet is not None:
            voice.says(hello(greet))
        return voice

    def fail(self) -> None:
        wait = self.dials.pop(0)
        wait.try_later(has_failed=True)


def session_of(life: Life) -> RelaySession:
    assert isinstance(life.session, RelaySession)
    return life.session
