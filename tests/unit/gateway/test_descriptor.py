from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import uvloop

from keepline.gateway.descriptor import Handover
from tests.waiting import eventually

DESCRIPTORS = Path("/proc/self/fd")


class Line(asyncio.Protocol):
    """Says back what it hears."""

    transport: asyncio.Transport
    lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    theirs.setblocking(False)
    ours.setblocking(False)
    return theirs, ours


def open_now() -> int:
    return len(list(DESCRIPTORS.iterdir()))


async def served(count: int) -> int:
    """Hand `count` sockets over, use them all, close them from either side; return what is open."""
    loop = asyncio.get_running_loop()
    handover = Handover(loop)
    pairs = [tcp_pair() for _ in range(count)]
    lines = []
    for _, ours in pairs:
        _, line = await loop.connect_accepted_socket(Line, handover.of(ours))
        lines.append(line)
    for number, (theirs, _) in enumerate(pairs):
        await loop.sock_sendall(theirs, bytes((number,)))
        assert await loop.sock_recv(theirs, 10) == bytes((number,))
    for number, (theirs, _) in enumerate(pairs):
        if number % 2:
            lines[number].transport.close()
            assert await loop.sock_recv(theirs, 10) == b""
        theirs.close()
    await eventually(lambda: all(line.lost for line in lines))
    return open_now()


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="Linux only")
@pytest.mark.parametrize("make_loop", [uvloop.new_event_loop, asyncio.SelectorEventLoop])
def test_a_socket_that_was_handed_over_is_used_and_closed_by_its_transport(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        # What a loop opens for itself is open after the first.
        once, again = (runner.run(asyncio.wait_for(served(count), 5)) for count in (1, 6))
    assert once == again


async def test_uvloop_keeps_no_socket_object() -> None:
    theirs, ours = socket.socketpair()
    with theirs:
        handover = Handover(asyncio.get_running_loop())
        shown = handover.of(ours)
        assert shown is handover.of(ours)
        assert ours.fileno() == -1
