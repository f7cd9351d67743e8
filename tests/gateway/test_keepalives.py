"""Devices that leave their channel open: it stays usable, and their handler is left in peace."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from keepline.gateway.handler import Handler
from keepline.wire.frames import Opcode
from tests.gateway.peers import HELLO, Peer, pong, request, tcp, text
from tests.waiting import PATIENCE_S, Watch, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from keepline.gateway.session import Session
    from keepline.reasons import CloseReason
    from keepline.wire.messages import DeviceMessage

MCP_HELLO = '{"type":"hello","version":1,"transport":"websocket","features":{"mcp":true}}'
CHANNEL_S = 2.0  # the firmware's 120, sixty times as fast
FAST = {"xiaozhi": {"keepalive_s": 1.0}}
NONE = {"xiaozhi": {"keepalive_s": None}}
LOOK_S = 0.02
HEART = {"interval_s": 1, "suspicious_s": 2, "zombie_s": 3}


class Witness(Handler):
    """Tells what it was told."""

    told: list[str]

    def opened(self, session: Session) -> None:
        self.told.append("opened")

    def text(self, session: Session, message: DeviceMessage) -> None:
        self.told.append("text")

    def idle(self, session: Session) -> None:
        self.told.append("idle")

    def woken(self, session: Session) -> None:
        self.told.append("woken")

    def closed(self, session: Session, reason: CloseReason) -> None:
        self.told.append(reason.cause)


class StockDevice:
    """Behaves as stock firmware with its channel open: it sends nothing of its own accord."""

    def __init__(self, peer: Peer, *, pongs: bool = True, channel_s: float = CHANNEL_S) -> None:
        self._peer = peer
        self._pongs = pongs
        self._channel_s = channel_s
        self._watch = Watch()
        self._last_data = 0.0
        self.gave_up = False
        self.kinds: list[str] = []

    async def live(self, for_s: float, *, messages: int = 1_000) -> None:
        """Read and answer for a while, until so many have come, or no data for too long."""
        until = self._watch.look() + for_s
        while (now := self._watch.look()) < until and len(self.kinds) < messages:
            self.gave_up = now >= self._last_data + self._channel_s
            if self.gave_up:
                return
            try:
                opcode, payload = await self._peer.frame(within_s=LOOK_S)
            except TimeoutError:
                continue
            await self._take(opcode, payload)

    async def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.PING:
            if self._pongs:
                await self._peer.send(pong(payload))
            return
        self._last_data = self._watch.look()
        message = json.loads(payload)
        self.kinds.append(message["type"])
        if message["type"] == "mcp":
            await self._peer.send(text(refusal_of(message["payload"])))


def refusal_of(request: dict[str, Any]) -> str:
    """Return what the firmware says to a method that it does not have."""
    error = {"message": f"Method not implemented: {request['method']}"}
    payload = {"jsonrpc": "2.0", "id": request["id"], "error": error}
    return json.dumps({"session_id": "", "type": "mcp", "payload": payload})


@asynccontextmanager
async def connected(port: int, hello: str) -> AsyncIterator[Peer]:
    async with tcp(port) as peer:
        await peer.send(request())
        assert (await peer.answer())[0] == 101
        await peer.send(text(hello))
        assert (await peer.frame())[0] == Opcode.TEXT
        yield peer


@pytest.fixture
def witness() -> type[Witness]:
    return type("Witness", (Witness,), {"told": []})


@pytest.mark.parametrize(("hello", "kind"), [(MCP_HELLO, "mcp"), (HELLO, "keepalive")])
async def test_a_channel_that_is_left_open_stays_usable(
    start_gateway: Callable[..., Any], witness: type[Witness], hello: str, kind: str
) -> None:
    gateway = await start_gateway(witness, profiles=FAST, session={"idle_after_s": 0.3})
    async with connected(gateway.port, hello) as peer:
        device, began = StockDevice(peer), time.monotonic()
        await device.live(PATIENCE_S, messages=3)
        assert time.monotonic() - began > 1.5  # three of them, one a second
        assert not device.gave_up
        assert device.kinds == [kind] * 3
        assert witness.told == ["opened", "idle"]
        assert gateway.counters.keepalives_sent >= len(device.kinds)  # another may be on its way


async def test_without_keepalives_the_device_would_give_it_up(
    start_gateway: Callable[..., Any], witness: type[Witness]
) -> None:
    gateway = await start_gateway(witness, profiles=NONE, heartbeat=HEART)
    async with connected(gateway.port, MCP_HELLO) as peer:
        device = StockDevice(peer)
        await device.live(PATIENCE_S)
        assert device.gave_up
        assert gateway.counters.pings_sent >= 1


@pytest.mark.parametrize("profile", [{}, {"pongs": "never"}])
async def test_a_device_that_never_pongs_outlives_every_age_of_silence(
    start_gateway: Callable[..., Any], witness: type[Witness], profile: dict[str, Any]
) -> None:
    gateway = await start_gateway(
        witness,
        profiles={"xiaozhi": {"keepalive_s": None, **profile}},
        heartbeat=HEART | {"probe_min_s": 0.3},
        session={"idle_after_s": 0.3},
    )
    async with connected(gateway.port, MCP_HELLO) as peer:
        device = StockDevice(peer, pongs=False, channel_s=inf)
        await device.live(4.5)
        async with within(PATIENCE_S):
            while gateway.counters.probes_answered < 3:
                await device.live(0.5)
        assert (gateway.counters.pings_sent == 0) == bool(profile)
        assert witness.told == ["opened", "idle"]
