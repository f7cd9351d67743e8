"""The admin HTTP interface: health, metrics, and the routes that others bring along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from fastapi import APIRouter

_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


class Readiness(NamedTuple):
    """Whether devices should be sent here, and if not, why."""

    ready: bool
    reason: str = ""
    drain: dict[str, Any] | None = None


class Health(BaseModel):
    """The answer of `/healthz`: that it came at all is what matters."""

    status: str = "alive"


class Leaving(BaseModel):
    """How far a drain is: its phase, how many devices are left, how long it goes on at most."""

    phase: str
    left: int
    eta_s: float


class Ready(BaseModel):
    """The answer of `/readyz`; `drain` is there only while the gateway leaves."""

    ready: bool
    reason: str
    drain: Leaving | None = None


def create_api(
    *,
    ready: Callable[[], Readiness],
    metrics: Callable[[], Awaitable[bytes]],
    routers: Iterable[APIRouter] = (),
) -> FastAPI:
    """Return the application. `metrics` returns a Prometheus text exposition.

    `routers` are the routes of other subjects, each made in a module of its own.
    """
    # The interactive pages of FastAPI load scripts from other hosts; the description does not.
    api = FastAPI(title="Keepline", docs_url=None, redoc_url=None, redirect_slashes=False)

    @api.get("/healthz")
    async def healthz() -> Health:
        """Tell that the process is alive and its loop is turning."""
        return Health()

    @api.get("/readyz", response_model=Ready, responses={503: {"model": Ready}})
    async def readyz() -> JSONResponse:
        """Tell whether devices should be sent here; 503 with a reason if not."""
        state = ready()
        told = {name: value for name, value in state._asdict().items() if value is not None}
        return JSONResponse(told, status_code=200 if state.ready else 503)

    @api.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Return all metrics in the text format of Prometheus."""
        return Response(await metrics(), media_type=_TEXT_FORMAT)

    api.add_exception_handler(RequestValidationError, _refuse)
    for router in routers:
        api.include_router(router)
    return api


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    """Say what is wrong, without what was given: that may be NaN, or bytes, which are no JSON."""
    assert isinstance(error, RequestValidationError)
    wrong = [{name: each[name] for name in ("type", "loc", "msg")} for each in error.errors()]
    return JSONResponse({"detail": wrong}, status_code=422)
