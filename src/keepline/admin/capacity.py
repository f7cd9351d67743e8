"""How many sessions there is room for, in the admin interface, and what would change that."""

from __future__ import annotations

from math import ceil, isinf
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query
from fastapi.exceptions import HTTPException
from pydantic import BaseModel

from keepline.gateway.listener import RESERVE
from keepline.monitor.capacity.costs import learn
from keepline.monitor.capacity.forecast import Forecast, Resource, Terms, forecast
from keepline.monitor.capacity.live import now_of, seen_by, terms_of

if TYPE_CHECKING:
    from keepline.monitor.capacity.costs import Costs
    from keepline.monitor.sampler import Sampler
    from keepline.settings import Settings

MORE_TALK: Final = 0.1
"""How much more of the fleet talks in the answer that nobody had to ask for."""

Interval = Annotated[
    float | None, Query(ge=1, le=86_400, description="As if devices were pinged so often.")
]
Talking = Annotated[
    float | None, Query(ge=0, le=1, description="As if so large a share of them talked.")
]
Limit = Annotated[int | None, Query(gt=0, description="As if there was so much memory.")]


class RoomView(BaseModel):
    """One resource, in its unit: bytes, cores, pieces. `most` is None where it never ends.

    `each` is what a session takes, and may be wrong by `spread` (one standard deviation);
    `learned` is whether it was seen here, or is what is expected.
    """

    resource: Resource
    used: float
    allowed: float
    each: float
    spread: float
    most: int | None
    learned: bool


class CostView(BaseModel):
    """What one of these costs, and by how much that may be wrong (one standard deviation)."""

    of: str
    each: float
    spread: float


class TermsView(BaseModel):
    """What the forecast is for; `verdict_s` is until a silent device is given up."""

    interval_s: float
    verdict_s: float
    talk_share: float
    memory_limit_bytes: float | None
    descriptor_limit: float | None
    descriptors_kept: int
    connections: int


class WhatIfView(BaseModel):
    """How the forecast would be if one thing was different."""

    change: str
    most: int
    least: int
    best: int
    known: bool
    limited_by: Resource
    verdict_s: float


class CapacityView(BaseModel):
    """There is room for `most` sessions, `left` more than now; then `limited_by` is used up.

    Where too few were there, or costs are not `known` well enough, it is a guess: the room is
    between `least` and `best`.
    """

    sessions: int
    most: int
    left: int
    least: int
    best: int
    known: bool
    limited_by: Resource
    terms: TermsView
    rooms: list[RoomView]
    costs: list[CostView]
    what_if: list[WhatIfView]


def capacity_routes(sampler: Sampler, settings: Settings) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["capacity"])

    @routes.get("/api/capacity")
    async def capacity(
        interval_s: Interval = None, talking: Talking = None, memory_bytes: Limit = None
    ) -> CapacityView:
        """Tell how many sessions there is room for; as things are, or as if they were different."""
        latest = sampler.latest
        if latest is None:
            raise HTTPException(
                503,
                "it has not looked at itself yet: ask again in some seconds",
                {"Retry-After": str(ceil(sampler.interval_s))},
            )
        seen = seen_by(sampler)
        now, costs = now_of(sampler, latest, seen), learn(seen)
        policy, most = settings.heartbeat, settings.server.max_connections
        here = terms_of(
            now,
            latest,
            interval_s=policy.ping_every_s,
            descriptors_kept=RESERVE,
            connections=most,
        )
        asked = here._replace(
            interval_s=here.interval_s if interval_s is None else interval_s,
            talk_share=here.talk_share if talking is None else talking,
            memory_limit_bytes=memory_bytes or here.memory_limit_bytes,
        )

        def verdict_s(terms: Terms) -> float:
            return policy.verdict_s + terms.interval_s - here.interval_s

        found = forecast(now, costs, here, asked)
        return CapacityView(
            sessions=found.sessions,
            most=found.most,
            left=found.left,
            least=found.least,
            best=found.best,
            known=found.is_known,
            limited_by=found.limited_by,
            terms=TermsView(**asked._asdict(), verdict_s=verdict_s(asked)),
            rooms=_rooms(found),
            costs=_costs(costs),
            what_if=[
                WhatIfView(
                    change=change,
                    most=other.most,
                    least=other.least,
                    best=other.best,
                    known=other.is_known,
                    limited_by=other.limited_by,
                    verdict_s=verdict_s(terms),
                )
                for change, terms in _changes(asked)
                for other in [forecast(now, costs, here, terms)]
            ],
        )

    return routes


def _rooms(found: Forecast) -> list[RoomView]:
    views = []
    for room in found.rooms:
        most = room.most(found.sessions)
        views.append(
            RoomView(
                resource=room.resource,
                used=room.used,
                allowed=room.allowed,
                each=room.cost.each,
                spread=room.cost.spread,
                most=None if isinf(most) else max(0, int(most)),
                learned=room.is_learned,
            )
        )
    return views


def _costs(costs: Costs) -> list[CostView]:
    return [
        CostView(of=of, each=cost.each, spread=cost.spread) for of, cost in costs.by_name().items()
    ]


def _changes(terms: Terms) -> list[tuple[str, Terms]]:
    """Return what is told without being asked for: one thing different at a time."""
    more_talk = min(1.0, terms.talk_share + MORE_TALK)
    found = [
        (f"pings every {every_s:g} s", terms._replace(interval_s=every_s))
        for every_s in (terms.interval_s / 2, terms.interval_s * 2)
    ]
    found.append((f"{100 * more_talk:.0f} % talk", terms._replace(talk_share=more_talk)))
    if terms.memory_limit_bytes is not None:
        twice = 2 * terms.memory_limit_bytes
        found.append(("twice the memory", terms._replace(memory_limit_bytes=twice)))
    return found
