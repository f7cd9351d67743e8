"""Upstreams in the admin interface: how each is doing, and emptying one for maintenance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from fastapi.exceptions import HTTPException
from pydantic import BaseModel, StringConstraints

if TYPE_CHECKING:
    from keepline.relay.upstreams.upkeep import Upkeep
    from keepline.relay.upstreams.upstream import Upstream


class Named(BaseModel):
    """Which upstream: its address as it is listed."""

    upstream: Annotated[str, StringConstraints(min_length=1, max_length=2_048)]


class UpstreamView(BaseModel):
    """One upstream. `health` is healthy, slow_start, ejected or draining.

    `ejected_for_s` is how long it is ejected at least, None when it is not; `share` what part of
    its full share it takes, 0 when it takes nothing; `latency_s` is None while unknown.
    """

    upstream: str
    health: str
    share: float
    connections: int
    connecting: int
    connects: int
    failures: int
    ejections: int
    ejected_for_s: float | None
    latency_s: float | None
    last_failure: str

    @classmethod
    def of(cls, upstream: Upstream, now: float) -> UpstreamView:
        """Return what is told of one; its query is not."""
        until = upstream.ejected_until
        takes = not (upstream.draining or upstream.is_ejected)
        return cls(
            upstream=upstream.name,
            health=upstream.health(now),
            share=round(upstream.share(now), 3) if takes else 0.0,
            connections=upstream.live,
            connecting=upstream.opening,
            connects=upstream.connects,
            failures=upstream.failures,
            ejections=upstream.ejections,
            ejected_for_s=None if until is None else max(0.0, round(until - now, 3)),
            latency_s=upstream.latency_s,
            last_failure=upstream.last_failure,
        )


class UpstreamList(BaseModel):
    """The answer of `GET /api/upstreams`; `panic` is whether all serve, as too many are ejected."""

    upstreams: list[UpstreamView]
    panic: bool


def upstream_routes(upkeep: Upkeep) -> APIRouter:
    """Return the routes; 404 for an upstream that is not there."""
    routes = APIRouter(prefix="/api/upstreams", tags=["upstreams"])

    def view(upstream: Upstream | None) -> UpstreamView:
        if upstream is None:
            raise HTTPException(404, "no such upstream: name one as it is listed")
        return UpstreamView.of(upstream, upkeep.now())

    @routes.get("")
    async def upstreams() -> UpstreamList:
        """Tell how each upstream is doing."""
        pool = upkeep.pool
        return UpstreamList(upstreams=list(map(view, pool.upstreams)), panic=pool.panicking)

    @routes.post("/drain")
    async def drain(asked: Named) -> UpstreamView:
        """Give an upstream nothing new, and take what it has away as conversations end."""
        return view(upkeep.drain(asked.upstream))

    @routes.post("/undrain")
    async def undrain(asked: Named) -> UpstreamView:
        """Give it new connections again, slowly."""
        return view(upkeep.undrain(asked.upstream))

    return routes
