"""A plain WebSocket echo on the production parser and connection class, for conformance suites.

Text and binary on any path, without login: `python -m tests.conformance.echo_server --port P`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

from keepline.clock import SystemClock
from keepline.errors import RefusedError
from keepline.gateway.auth import OpenDoor
from keepline.gateway.door import Door
from keepline.gateway.handler import Handler
from keepline.gateway.node import Node
from keepline.gateway.receiver import Receiver
from keepline.gateway.sockets import open_listener
from keepline.hub.twin import TwinHub
from keepline.lifecycle.profile import BROWSER
from keepline.lifecycle.states import Event
from keepline.log import Log
from keepline.monitor.metrics import Counters
from keepline.reasons import CloseReason
from keepline.settings import Settings
from keepline.settings.server import Server
from keepline.settings.session import Inbox
from keepline.wire import frames
from keepline.wire.limits import Limits

if TYPE_CHECKING:
    from keepline.gateway.connection import Connection

MESSAGE_BYTES = 16 * 1024 * 1024
# Cases 9.3 and 9.4 send 4 MiB in 64-byte fragments, 2.10 and 2.11 ten pings at once, and all of 9
# as much as they can.
LIMITS = Limits(
    message_bytes=MESSAGE_BYTES,
    message_fragments=MESSAGE_BYTES,
    full_turns_per_s=1_000_000_000,
    messages_per_s=1_000_000_000,
    control_frames_per_s=1_000,
)


class PlainEcho(Receiver):
    """Takes a connection's messages and sends them back as they are."""

    connection: Connection

    def receive_text(self, text: str) -> None:
        self.connection.send(frames.text_frame(text))

    def receive_binary(self, data: bytes) -> None:
        self.connection.send(frames.binary_frame(data))


class EchoDoor(Door):
    """Lets everybody in, on any path."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.node.arrivals.begin(self, _admit)


async def _no_way(door: Door) -> None:
    """Its server has opened it already."""


async def _admit(door: Door) -> None:
    try:
        request = await door.request()
        if not request.is_upgrade:
            raise RefusedError(  # noqa: TRY301 (answered right below)
                "a WebSocket upgrade is expected", CloseReason.UPGRADE_REQUIRED
            )
    except RefusedError as error:
        door.refuse(error)
        return
    except ConnectionError:
        return
    door.advance(Event.REQUEST_ACCEPTED)
    echo = PlainEcho()
    echo.connection = door.upgrade(request, echo, BROWSER)
    echo.connection.greet(echo)
    door.pass_early_on()


def make_node(loop: asyncio.AbstractEventLoop) -> Node:
    clock = SystemClock()
    settings = Settings(wire=LIMITS, inbox=Inbox(bytes=MESSAGE_BYTES), server=Server(port=0))
    return Node(
        settings,
        loop=loop,
        clock=clock,
        random=random.Random(),
        executor=None,
        log=Log(sys.stderr, clock, level="error"),
        counters=Counters(),
        authenticator=OpenDoor(),
        make_handler=Handler,
        make_session_id=lambda: "echo",
        hub=TwinHub(clock),
    )


async def serve(host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    node = make_node(loop)
    sock = open_listener(host, port, backlog=1_024, kernel_timeout_s=None)
    node.ticker.start(loop)
    server = await loop.create_server(lambda: EchoDoor(node, _no_way), sock=sock)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(f"echo on ws://{host}:{sock.getsockname()[1]}/", flush=True)  # noqa: T201
    await stop.wait()
    server.close()
    node.ticker.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9_001)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
