"""What a node has learned in the admin interface, and having a prefix begin anew."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.gateway.tuning.knobs import Knob

MOST_LISTED = 1_000


class WayView(BaseModel):
    """What is known of a prefix, in seconds.

    Everybody is pinged after `interval_s`, one of them after `tried_s` where a longer one is tried;
    `killed_s` has killed. None for nothing. `since` is the last change, in Unix time.
    """

    prefix: str
    interval_s: float
    tried_s: float | None
    killed_s: float | None
    since: float


class StepView(BaseModel):
    """At how many prefixes an interval has survived and killed, and at how many it is tried now."""

    interval_s: float
    survived: int
    killed: int
    trying: int


class NumberView(BaseModel):
    """A number that moves by itself, and its bounds; None for what is not bounded now."""

    what: str
    value: float | None
    least: float
    most: float


class TuningView(BaseModel):
    """The answer of `GET /api/tuning`, the prefix that was used last first.

    `learns` is False where `tuning.verdict_s` is not set: all are pinged after `interval_s`.
    `prefixes` counts all that are known, also those that nothing has been learned of yet.
    """

    learns: bool
    interval_s: float
    prefixes: int
    ways: list[WayView]
    steps: list[StepView]
    numbers: list[NumberView]


class Which(BaseModel):
    """A prefix, as it is listed."""

    prefix: str


def tuning_view(node: Node, limit: int = MOST_LISTED) -> TuningView:
    """Return what is told of it, at most `limit` prefixes."""
    tuning, interval_s = node.tuning, node.settings.heartbeat.ping_every_s
    numbers = [_number_view(knob) for knob in node.knobs.all]
    if tuning is None:
        return TuningView(
            learns=False, interval_s=interval_s, prefixes=0, ways=[], steps=[], numbers=numbers
        )
    ways = [WayView.model_validate(each._asdict()) for each in tuning.learned()[:limit]]
    steps = [
        StepView(interval_s=step_s, survived=each.survived, killed=each.killed, trying=each.trying)
        for step_s, each in sorted(tuning.tuner.tries.records().items())
    ]
    return TuningView(
        learns=True,
        interval_s=interval_s,
        prefixes=len(tuning.tuner),
        ways=ways,
        steps=steps,
        numbers=numbers,
    )


def _number_view(knob: Knob) -> NumberView:
    value = knob.read()
    return NumberView(
        what=knob.what,
        value=None if value == inf else value,
        least=knob.bottom,
        most=knob.top,
    )


def tuning_routes(node: Node) -> APIRouter:
    """Return the routes; 404 for a prefix that nothing is known of."""
    routes = APIRouter(prefix="/api/tuning", tags=["tuning"])

    @routes.get("")
    async def tuning(
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = MOST_LISTED,
    ) -> TuningView:
        """Tell what moves by itself, and how often idle devices are pinged by where they are."""
        return tuning_view(node, limit)

    @routes.post("/forget")
    async def forget(asked: Which) -> TuningView:
        """Have a prefix begin anew."""
        if node.tuning is None or not node.tuning.forget(asked.prefix):
            raise HTTPException(404, f"nothing is known of {asked.prefix}")
        return tuning_view(node)

    return routes
