"""Handlers in the admin interface: how they fail, what does not end, and who grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import BaseModel

from keepline.gateway.isolation.suspension import Standing  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from keepline.gateway.isolation.leaks import Owner
    from keepline.gateway.node import Node


class FaultView(BaseModel):
    """How many exceptions of a class were caught, by where they came from."""

    fault: str
    socket: int
    handler: int
    us: int


class HandlerView(BaseModel):
    """A class of handlers that has failed: `devices` lately, `failures` and `suspensions` in all.

    `wait_s` is when sessions are begun again, 0 where they are; `untried` says that nobody has
    come since to see; `addresses` are those from which alone none is.
    """

    handler: str
    standing: Standing
    devices: int
    failures: int
    suspensions: int
    wait_s: float
    untried: bool
    addresses: list[str]


class StrayView(BaseModel):
    """A task or a thread that goes on although its session has gone, and where it is now."""

    kind: str
    handler: str
    call: str
    device_id: str
    for_s: float
    at: str


class BlockView(BaseModel):
    """The last one who held the loop up, and for how long; empty where it did not show."""

    lost_s: float
    at: str
    handler: str
    call: str
    device_id: str
    session_id: str
    stack: str


class HandlersView(BaseModel):
    """The answer of `GET /api/handlers`; `blocked` is None while nobody has held the loop up."""

    faults: list[FaultView]
    handlers: list[HandlerView]
    calls_under_way: int
    strays: list[StrayView]
    blocked: BlockView | None


class OwnerView(BaseModel):
    """Who has something under way: what of it, and which of that rose at every look."""

    owner: str
    handler: str
    tasks: int
    timers: int
    queued_bytes: int
    growing: list[str]

    @classmethod
    def of(cls, owner: Owner) -> OwnerView:
        """Return what is told of one."""
        return cls(
            owner=owner.name,
            handler=owner.handler,
            growing=list(owner.growing),
            **owner.load._asdict(),
        )


class WildView(BaseModel):
    """Tasks that application code began by itself, by what they run."""

    runs: str
    tasks: int
    growing: bool


class LineView(BaseModel):
    """A line of source, what memory it holds, and how much more than at the question before."""

    at: str
    held_bytes: int
    grown_bytes: int


class LeaksView(BaseModel):
    """The answer of `GET /api/leaks`; `memory` is empty without `isolation.trace_memory`."""

    handlers: list[OwnerView]
    sessions: list[OwnerView]
    wild: list[WildView]
    memory: list[LineView]


def isolation_routes(node: Node) -> APIRouter:
    """Return the routes about the handlers of one node."""
    routes = APIRouter(prefix="/api", tags=["handlers"])

    @routes.get("/handlers")
    async def handlers() -> HandlersView:
        """Tell how handlers fail, which are left alone, what does not end, who held the loop up."""
        return handlers_of(node)

    @routes.get("/leaks")
    async def leaks() -> LeaksView:
        """Tell who has most under way, and who grows."""
        isolation = node.isolation
        found = isolation.leaks
        lines = await node.loop.run_in_executor(node.executor, isolation.tracing.look)
        return LeaksView(
            handlers=list(map(OwnerView.of, found.kinds())),
            sessions=list(map(OwnerView.of, found.sessions())),
            wild=[WildView(runs=runs, tasks=n, growing=grows) for runs, n, grows in found.wild()],
            memory=[LineView(**line._asdict()) for line in lines],
        )

    return routes


def handlers_of(node: Node) -> HandlersView:
    """Return what is told of the handlers of a node."""
    now, isolation = node.ticker.now, node.isolation
    latest = isolation.watchdog.latest
    addresses = isolation.suspensions.addresses()
    return HandlersView(
        faults=_faults_of(node),
        handlers=[
            HandlerView(
                handler=name,
                standing=each.standing(now),
                devices=each.devices(now),
                failures=each.failures,
                suspensions=each.suspensions,
                wait_s=round(each.wait_s(now), 1),
                untried=each.is_deserted(now),
                addresses=addresses[name],
            )
            for name, each in isolation.suspensions
        ],
        calls_under_way=len(isolation.deadlines),
        strays=[
            StrayView(
                kind=kind,
                handler=stray.handler,
                call=stray.call,
                device_id=stray.device_id,
                for_s=round(now - stray.since, 1),
                at=stray.place(),
            )
            for kind, stray in isolation.strays.found()
        ],
        blocked=None
        if latest is None
        else BlockView(lost_s=round(latest[0], 3), **latest[1]._asdict()),
    )


def _faults_of(node: Node) -> list[FaultView]:
    by_fault: dict[str, dict[str, int]] = {}
    for (fault, source), count in node.counters.faults.items():
        by_fault.setdefault(fault.value, {})[source.value] = count
    return [FaultView(fault=fault, **counts) for fault, counts in by_fault.items()]
