"""The admin HTTP interface, and the server it runs on inside our own loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from keepline.errors import StartError
from keepline.gateway.sockets import open_listener

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_BACKLOG = 128
_CONNECTIONS = 64  # more are answered 503: operators are few
_GRACE_S = 1  # for requests under way while stopping
_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


class Readiness(NamedTuple):
    """Whether devices should be sent here, and if not, why."""

    ready: bool
    reason: str = ""


class Health(BaseModel):
    """The answer of `/healthz`: that it came at all is what matters."""

    status: str = "alive"


class Ready(BaseModel):
    """The answer of `/readyz`."""

    ready: bool
    reason: str


def create_api(
    *, ready: Callable[[], Readiness], metrics: Callable[[], Awaitable[bytes]]
) -> FastAPI:
    """Return the application. `metrics` returns a Prometheus text exposition."""
    # The interactive pages of FastAPI load scripts from other hosts; the description does not.
    api = FastAPI(title="Keepline", docs_url=None, redoc_url=None)

    @api.get("/healthz")
    async def healthz() -> Health:
        """Tell that the process is alive and its loop is turning."""
        return Health()

    @api.get("/readyz", response_model=Ready, responses={503: {"model": Ready}})
    async def readyz() -> JSONResponse:
        """Tell whether devices should be sent here; 503 with a reason if not."""
        state = ready()
        return JSONResponse(state._asdict(), status_code=200 if state.ready else 503)

    @api.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Return all metrics in the text format of Prometheus."""
        return Response(await metrics(), media_type=_TEXT_FORMAT)

    return api


class AdminServer:
    """Serves an application on the running loop; signals stay with `app`."""

    def __init__(self, host: str, port: int, api: FastAPI) -> None:
        self._host = host
        self._port = port
        self._api = api
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = port  # the one that was chosen, if `port` was 0

    async def start(self) -> None:
        """Listen and answer from now on. Raises StartError when the port cannot be had."""
        try:
            sock = open_listener(self._host, self._port, _BACKLOG, None)
        except StartError as error:
            hint = "this is the admin port: free it, or choose with --admin-host and --admin-port"
            raise StartError(error.problem, hint) from error
        self.port = sock.getsockname()[1]
        config = uvicorn.Config(
            self._api,
            http="h11",  # bounds the head of a request; uvicorn's other parser takes any
            log_config=None,
            log_level="error",  # its warnings are a peer's to cause, and no lines of our log
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_S,
        )
        config.load()
        # The steps of `uvicorn.Server.serve`, without its taking over SIGTERM and SIGINT.
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup([sock])
        self._server = server
        self._task = asyncio.create_task(server.main_loop(), name="admin")

    async def stop(self) -> None:
        """Finish what is being answered, then close; idempotent."""
        server, self._server = self._server, None
        if server is None or self._task is None:
            return
        server.should_exit = True
        await self._task
        await server.shutdown()
