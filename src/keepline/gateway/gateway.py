"""A gateway as a whole: it starts listening, and it leaves without leaving anything behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keepline.gateway.door import Door
from keepline.gateway.sockets import open_listener
from keepline.lifecycle.wheel import TICK_S
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.gateway.node import Node

CLOSES_PER_TURN = 200
"""How many connections are told to leave before the loop gets its turn again."""

EACH_S = 1.0
GATE_CLOSE_S = 2.0


class Gateway:
    """Listens for the devices of one `Node`. `start` once, `stop` as often as you like."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._server: asyncio.Server | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._minder: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen. Raises StartError when the address cannot be had."""
        node = self.node
        server = node.settings.server
        sock = open_listener(server.host, server.port, server.backlog, server.kernel_timeout_s)
        node.port = sock.getsockname()[1]
        node.ticker.start(node.loop)
        self._each_second()
        self._server = await node.loop.create_server(
            lambda: Door(node), sock=sock, backlog=server.backlog
        )

    async def stop(self) -> None:
        """Close every connection in parallel, clean up, and return when nothing is left.

        Idempotent: later calls wait for the first. Bounded: a Close takes `close_timeout_s`, a
        handler's end at most four times `closed_timeout_s`.
        """
        if self._stopping is None:
            self._stopping = self.node.loop.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        node = self.node
        node.draining = True
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(0)  # what is about to be admitted has its first turn, to be refused
        await _cancelled(node.arrivals.admissions)
        await self._close_sessions()
        # Whoever is on the way out has a deadline in the wheel, also those without a session.
        # No session pays for an event that only this wait would need.
        while node.registry or node.cleanups or node.wheel.armed:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
        await self._close_gate()
        node.ticker.stop()
        if self._minder is not None:
            self._minder.cancel()
        node.log.flush_all()

    async def _close_gate(self) -> None:
        """An authenticator may be outside code: a fence, with a bound."""
        try:
            async with asyncio.timeout(GATE_CLOSE_S):
                await self.node.gate.aclose()
        except Exception as error:  # noqa: BLE001 (a fence; TimeoutError, too)
            self.node.log.error("authenticator_not_closed", error=error)

    async def _close_sessions(self) -> None:
        for count, session in enumerate(self.node.registry, start=1):
            session.tell_draining()
            session.close(CloseReason.SERVER_SHUTDOWN)
            if count % CLOSES_PER_TURN == 0:
                await asyncio.sleep(0)

    def _each_second(self) -> None:
        self._minder = self.node.loop.call_later(EACH_S, self._each_second)
        self.node.each_second()


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
