"""Who is held up in the admin interface: who, why, until when; and letting somebody go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Response
from fastapi.exceptions import HTTPException
from pydantic import BaseModel, StringConstraints

from keepline.admin.slices import described
from keepline.gateway.flapping.ladder import Step  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from keepline.gateway.flapping.flapping import Held
    from keepline.gateway.node import Node


class Who(BaseModel):
    """A device by its id, or an address, as they are listed."""

    who: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]


class BanView(BaseModel):
    """Somebody that is held up; `device_id` is empty for an address, `address` for a kick war.

    `times` are short lives and refusals, in a kick war kicks; `for_s` is how long it goes
    on, None where that depends on how calm it keeps.
    """

    kind: Literal["device", "address", "kick_war"]
    device_id: str
    address: str
    step: Step
    times: int
    held_s: float
    for_s: float | None

    @classmethod
    def of(cls, held: Held, now: float) -> BanView:
        """Return how it looks at `now`, attentive time."""
        return cls.model_validate(
            {
                "kind": held.kind,
                "device_id": held.device_id,
                "address": held.address,
                "step": held.step,
                "times": held.times,
                "held_s": round(now - held.since, 1),
                "for_s": None if held.until is None else round(max(0.0, held.until - now), 1),
            }
        )


class BanList(BaseModel):
    """The answer of `GET /api/bans`, who was held last first."""

    bans: list[BanView]


def ban_routes(node: Node) -> APIRouter:
    """Return the routes; 404 for somebody who is not held up."""
    routes = APIRouter(prefix="/api/bans", tags=["bans"])

    @routes.get("", response_model=BanList)
    async def bans() -> Response:
        """Tell who is delayed, denied or banned, and why."""
        held = sorted(node.arrivals.flapping.held(), key=lambda each: each.since, reverse=True)
        views = await described(held, lambda each: BanView.of(each, node.ticker.now))
        told = BanList.model_construct(bans=views)
        # Made into JSON in one go here; FastAPI would check all of them once more.
        return Response(told.model_dump_json(), media_type="application/json")

    @routes.post("/lift")
    async def lift(asked: Who) -> BanList:
        """Let a device or an address in again at once; it begins anew."""
        lifted = node.arrivals.flapping.lift(asked.who)
        if not lifted:
            raise HTTPException(404, f"{asked.who} is not held up")
        return BanList(bans=[BanView.of(each, node.ticker.now) for each in lifted])

    return routes
