"""Devices in the admin interface: who is connected, why one left, telling one, ending one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi.exceptions import HTTPException

from keepline.admin import own
from keepline.admin.former import Former, both
from keepline.admin.views import (
    DeviceView,
    EndingView,
    Kicked,
    RefusalView,
    Sent,
    SessionPage,
    TotalsView,
)
from keepline.errors import CommandError, HubDownError, NoAnswerError, NotConnectedError
from keepline.gateway.registry import folded
from keepline.lifecycle.states import State  # noqa: TC001 - FastAPI reads the annotations

if TYPE_CHECKING:
    from keepline.admin.views import Answered
    from keepline.gateway.node import Node

PAGE_LIMIT = 1_000
ENDINGS_LIMIT = 100
ENDINGS_SHOWN = 8

DeviceId = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,128}$")]
Cursor = Annotated[int, Query(ge=0, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="How many sessions on a page.")]
EndingCursor = Annotated[int | None, Query(ge=1, description="`next` of the page before")]
EndingLimit = Annotated[int, Query(ge=1, le=ENDINGS_LIMIT, description="How many endings.")]
Prefix = Annotated[str, Query(max_length=128, description="How the device ids begin.")]


def device_routes(node: Node, former: Former | None = None) -> APIRouter:
    """Return the routes about the devices of one node, and those its `former` process has still."""
    former = former or Former()
    routes = APIRouter(prefix="/api", tags=["devices"])

    @routes.get("/sessions", response_model=SessionPage)
    async def sessions(
        state: State | None = None, prefix: Prefix = "", cursor: Cursor = 0, limit: Limit = 100
    ) -> Response:
        """List who is connected, page by page: of one state, with one beginning of their id."""
        page = await _page(node, former, limit, state=state, prefix=prefix, cursor=cursor)
        # Made into JSON in one go here; FastAPI would check a page of a thousand for 30 ms.
        return Response(page.model_dump_json(), media_type="application/json")

    # An id may hold a slash, so what follows it is looked for first.
    @routes.post("/devices/{device_id:path}/kick")
    async def kick(device_id: DeviceId) -> Kicked:
        """End a device's session with 4002 `kicked`; it is told to stay away."""
        return await _kick(node, former, device_id)

    @routes.post("/devices/{device_id:path}/send")
    async def send(device_id: DeviceId, message: Annotated[dict[str, Any], Body()]) -> Sent:
        """Send a message of the device protocol to a device that is connected."""
        try:
            if node.registry.by_device(device_id) is None:
                sent = await former.send(device_id, message)
                if sent is not None:
                    return sent
            return await own.send(node, device_id, message)
        except CommandError as error:
            raise HTTPException(422, str(error)) from None
        except NotConnectedError as error:
            raise HTTPException(404, str(error)) from None
        except NoAnswerError as error:
            raise HTTPException(504, str(error)) from None
        except HubDownError as error:
            raise HTTPException(503, str(error)) from None

    @routes.get("/devices/{device_id:path}")
    async def device(
        device_id: DeviceId, after: EndingCursor = None, limit: EndingLimit = ENDINGS_SHOWN
    ) -> DeviceView:
        """Tell all that is known of one device: its session, totals, endings and refusals."""
        view = await view_of(node, former, device_id, after, limit)
        if view.session or view.totals or view.endings or view.refusals:
            return view
        if view.store == "away":
            raise HTTPException(
                503,
                f"{device_id} is not connected to this gateway; whether it was is not known now,"
                " for the store cannot be asked",
            )
        if view.former == "silent":
            raise HTTPException(
                504,
                f"nothing is known of {device_id} here, and the process that leaves has not"
                " answered whether it has it",
            )
        raise HTTPException(
            404,
            f"nothing is known of {device_id}: it is not connected to this gateway, and none of"
            " the endings and refusals that are remembered is its own",
        )

    return routes


async def _page(node: Node, former: Former, limit: int, **about: Any) -> SessionPage:
    """Return a page of both; the other's first, so that who comes over meanwhile is not missed."""
    theirs: SessionPage | None = None
    told: Answered = "none"
    try:
        theirs = await former.sessions(limit=limit, **about)
    except NoAnswerError:
        told = "silent"
    page = both(await own.page_of(node, limit=limit, **about), theirs, limit)
    page.former = told
    return page


async def _kick(node: Node, former: Former, device_id: str) -> Kicked:
    try:
        # Asked once more of us: it may have come over meanwhile.
        kicked = (
            own.kick(node, device_id) or await former.kick(device_id) or own.kick(node, device_id)
        )
    except NoAnswerError as error:
        raise HTTPException(504, f"{device_id} is not connected here, and {error}") from None
    if kicked is None:
        raise HTTPException(404, f"{device_id} is not connected to this gateway")
    return kicked


async def view_of(
    node: Node, former: Former, device_id: str, after: int | None, limit: int
) -> DeviceView:
    """Return what is known of a device, with endings before the event `after`; never raises."""
    wall = node.clock.wall()
    session = own.live(node, device_id)
    told: Answered = "none"
    if session is None:
        try:
            session = await former.device(device_id) or own.live(node, device_id)
        except NoAnswerError:
            told = "silent"
    known_as = folded(device_id)
    refusals = node.refusals.of_device(device_id) or node.refusals.of_device(known_as)
    view = DeviceView(
        device_id=known_as if session is None else session.device_id,
        session=session,
        former=told,
        endings=[],
        refusals=[RefusalView.of(each, wall) for each in refusals],
    )
    try:
        totals = await node.hub.totals(known_as)
        events = await node.hub.latest(after, limit=limit + 1, device_id=known_as, kind="offline")
    except HubDownError:
        view.store = "away"
        return view
    page = events[:limit]
    view.totals = None if totals is None else TotalsView.of(totals)
    view.endings = [seen for event in page if (seen := EndingView.of(event, wall)) is not None]
    view.next = page[-1].id if len(events) > limit else None
    return view
