"""A gateway as a whole: it starts listening, and it leaves without leaving anything behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keepline.gateway.door import Door
from keepline.gateway.entrance import Entrance
from keepline.gateway.listener import Listener
from keepline.gateway.sockets import open_listeners
from keepline.gateway.tls import Certificates
from keepline.lifecycle.wheel import TICK_S

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from keepline.gateway.node import Node
    from keepline.gateway.share import Share

EACH_S = 1.0

GATE_CLOSE_S = 2.0

LAST_S = 1.0
"""For who is on the way out when all time is over already."""


class Gateway:
    """Listens for the devices of one `Node`. `start` once, `stop` as often as you like.

    `share` is how this node and others share who comes to sockets that all of them have.
    """

    def __init__(self, node: Node, share: Share | None = None) -> None:
        self.node = node
        self._share = share
        self._listener: Listener | None = None
        self._certificates: Certificates | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._minder: asyncio.TimerHandle | None = None

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen, on `sockets` that listen already or where the settings say.

        Raises StartError for an address or a certificate that cannot be had.
        """
        node = self.node
        server, tls = node.settings.server, node.settings.tls
        if tls.certificate is not None:
            self._certificates = Certificates(tls, node.log, node.executor)
        entrance = Entrance(node, self._certificates)

        def arrive(sock: socket.socket, address: str) -> None:
            node.arrivals.begin(Door(node, lambda door: entrance.open(door, sock, address)))

        are_shared = bool(sockets)
        sockets = sockets or open_listeners(
            server.host, server.port, server.backlog, server.kernel_timeout_s
        )
        node.port = sockets[0].getsockname()[1]
        self.keep_time()
        self._listener = Listener(node, sockets, arrive, self._share)
        self._listener.start()
        if are_shared:  # who comes while we leave waits for whoever else has them
            node.drain.on_refusing = self._listener.pause
        node.isolation.start()

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """What is accepted on; empty once nobody is."""
        return () if self._listener is None else self._listener.sockets

    def stop_accepting(self) -> None:
        """Accept nobody any more; who is here goes on. Another process may have the sockets, too.

        Idempotent. What waits in the kernel is reset only when nobody else has them.
        """
        if self._listener is not None:
            self._listener.close()

    def keep_time(self) -> None:
        """Have time pass for the node, from now until `stop`."""
        self.node.ticker.start(self.node.loop)
        self.node.governor.start()
        self._each_second()

    @property
    def certificate_expires_at(self) -> float | None:
        """Until when the certificate is good, in Unix time; None without one."""
        return None if self._certificates is None else self._certificates.expires_at

    def reload_certificate(self) -> bool:
        """Load the certificate anew for the connections to come; False when there is none."""
        if self._certificates is None:
            return False
        self._certificates.reload()
        return True

    async def stop(self) -> None:
        """Drain, or join the drain that is under way, and return when nothing is left.

        Idempotent: later calls wait for the first. Bounded by the drain's own limits.
        """
        if self._stopping is None:
            self._stopping = self.node.loop.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        node, began_at = self.node, self.node.clock.now()
        if self._listener is not None or node.registry:  # else nobody has come
            node.drain.start("stop", binding=True)
            await node.drain.over()
        if self._listener is not None:
            self._listener.close()
        await node.arrivals.give_up(node.arrivals.admissions, node.arrivals.turned_away)
        await self._empty(began_at + node.settings.drain.longest_s)
        await self._close_gate()
        if self._certificates is not None:
            await self._certificates.stop()
        node.isolation.stop()
        node.governor.stop()
        node.ticker.stop()
        if self._minder is not None:
            self._minder.cancel()
        node.log.flush_all()

    async def _empty(self, until: float) -> None:
        """Wait for who is on the way out, also without a session; the drain's limit is ours."""
        node, now = self.node, self.node.clock.now
        until = max(until, now() + LAST_S)
        # No session pays for an event that only this wait would need.
        while node.registry or node.departures or node.cleanups or node.wheel.armed:
            if now() >= until:
                node.log.error(
                    "left_behind",
                    sessions=len(node.registry),
                    cleanups=len(node.cleanups) + len(node.departures),
                    deadlines=node.wheel.armed,
                )
                return
            await asyncio.sleep(TICK_S)

    async def _close_gate(self) -> None:
        """An authenticator may be outside code: a fence, with a bound."""
        try:
            async with asyncio.timeout(GATE_CLOSE_S):
                await self.node.gate.aclose()
        except Exception as error:  # noqa: BLE001 (a fence; TimeoutError, too)
            self.node.isolation.faults.of_ours(error, "authenticator_not_closed")

    def _each_second(self) -> None:
        self._minder = self.node.loop.call_later(EACH_S, self._each_second)
        self.node.each_second()
        if self._listener is not None:
            self._listener.tell()
        if self._certificates is not None:
            self._certificates.each_second(self.node.ticker.now)
