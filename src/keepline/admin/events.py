"""Events in the admin interface: what happened to devices, from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from fastapi.exceptions import HTTPException

from keepline.admin.slices import described
from keepline.admin.views import EventPage, EventView
from keepline.errors import HubDownError
from keepline.gateway.registry import folded

if TYPE_CHECKING:
    from keepline.hub.port import Hub

PAGE_LIMIT = 1_000

After = Annotated[
    int | None, Query(ge=0, description="Events behind this id; without, the newest there are.")
]
Device = Annotated[str | None, Query(max_length=128, description="Only this device's.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="How many events on a page.")]


def event_routes(hub: Hub) -> APIRouter:
    """Return the routes about events."""
    routes = APIRouter(prefix="/api", tags=["events"])

    @routes.get("/events")
    async def events(after: After = None, limit: Limit = 100, device: Device = None) -> EventPage:
        """Tell what happened, oldest first, behind an event or up to now."""
        device = None if device is None else folded(device)
        try:
            if after is None:
                newest = await hub.latest(limit=limit, device_id=device)
                found = list(reversed(newest))
            else:
                found = list(await hub.events(after, limit=limit, device_id=device))
        except HubDownError as error:
            raise HTTPException(503, str(error)) from None
        last = found[-1].id if found else after or 0
        return EventPage(events=await described(found, EventView.of), next=last)

    return routes
