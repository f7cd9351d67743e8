"""The HTTP server of the admin interface, inside our own loop and bounded in every wait."""

from __future__ import annotations

import asyncio
import socket
from math import inf
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from keepline.errors import StartError
from keepline.gateway.sockets import open_listener

if TYPE_CHECKING:
    from keepline.admin.guard import Application

CONNECTIONS = 64  # operators are few
REQUEST_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
_BACKLOG = 128
_GRACE_S = 1  # for requests under way while stopping


class AdminServer:
    """Serves an application on the running loop; signals stay with `app`."""

    def __init__(
        self,
        host: str,
        port: int,
        application: Application,
        *,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._host = host
        self._port = port
        self._application = application
        self._bounds = (request_timeout_s, answer_timeout_s)
        self._crowd: set[AdminConnection] = set()
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = port  # the one that was chosen, if `port` was 0
        self.socket: socket.socket | None = None  # while it listens

    async def start(self, given: socket.socket | None = None) -> None:
        """Answer from now on, on a socket that listens already or on our own.

        Raises StartError when the port cannot be had.
        """
        sock = self.socket = given or self._opened()
        if sock.family != socket.AF_UNIX:
            self.port = sock.getsockname()[1]
        config = uvicorn.Config(
            self._application,
            http=self._make_protocol,  # type: ignore[arg-type] # called like a class
            log_config=None,
            log_level="error",  # its warnings are a peer's to cause, and no lines of our log
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=CONNECTIONS + 1,  # for when nobody can be made to go
            timeout_graceful_shutdown=_GRACE_S,
        )
        config.load()
        # The steps of `uvicorn.Server.serve`, without its taking over SIGTERM and SIGINT.
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup([sock])
        self._server = server
        self._task = asyncio.create_task(server.main_loop(), name="admin")

    def _opened(self) -> socket.socket:
        try:
            return open_listener(self._host, self._port, _BACKLOG, None)
        except StartError as error:
            hint = "this is the admin port: free it, or choose with --admin-host and --admin-port"
            raise StartError(error.problem, hint) from error

    def _make_protocol(self, **arguments: Any) -> AdminConnection:
        return AdminConnection(self._crowd, *self._bounds, **arguments)

    async def stop(self) -> None:
        """Finish what is being answered, then close; idempotent.

        Who waits to be accepted is reset only when no other process has the socket.
        """
        self.socket = None
        server, self._server = self._server, None
        if server is None or self._task is None:
            return
        server.should_exit = True
        await self._task
        await server.shutdown()


class AdminConnection(H11Protocol):
    """An operator's connection, read by the parser that bounds the head of a request.

    A request has to be whole within `request_timeout_s`, its answer has to be taken within
    `answer_timeout_s`. When there are CONNECTIONS already, the one that has waited longest without
    a request goes: connections that say nothing cannot keep a health check out.
    """

    def __init__(
        self,
        crowd: set[AdminConnection],
        request_timeout_s: float,
        answer_timeout_s: float,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._crowd = crowd
        self._request_timeout_s = request_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._deadline: asyncio.TimerHandle | None = None
        self.waits_since = inf  # for a request; infinite while one is answered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        if len(self._crowd) >= CONNECTIONS:
            _send_one_away(self._crowd)
        self._crowd.add(self)
        super().connection_made(transport)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Read; from a whole request on, the answer is what is waited for."""
        super().data_received(data)
        self._await_answer()

    def on_response_complete(self) -> None:
        """Wait for the next request, which may be here already."""
        self._await_request()
        super().on_response_complete()
        self._await_answer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._crowd.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self.waits_since = self.loop.time()
        self._arm(self._request_timeout_s)

    def _await_answer(self) -> None:
        cycle = self.cycle
        whole = cycle is not None and not cycle.more_body and not cycle.response_complete
        if whole and self.waits_since < inf:
            self.waits_since = inf
            self._arm(self._answer_timeout_s)

    def _arm(self, timeout_s: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        # Aborted: a close would wait for a peer that may not read.
        self._deadline = self.loop.call_later(timeout_s, self.transport.abort)


def _send_one_away(crowd: set[AdminConnection]) -> None:
    longest = min(crowd, key=lambda each: each.waits_since)
    if longest.waits_since < inf:
        crowd.discard(longest)
        longest.transport.abort()
