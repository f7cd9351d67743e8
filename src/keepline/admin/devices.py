"""Devices in the admin interface: who is connected, why one left, telling one, ending one."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi.exceptions import HTTPException
from msgspec import json

from keepline.admin.views import (
    DeviceView,
    EndingView,
    Kicked,
    LiveView,
    RefusalView,
    Sent,
    SessionPage,
    SessionView,
    TotalsView,
)
from keepline.errors import CommandError, HubDownError, NoAnswerError, NotConnectedError
from keepline.gateway.registry import folded
from keepline.lifecycle.states import State  # noqa: TC001 - FastAPI reads the annotations
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

PAGE_LIMIT = 1_000
ENDINGS_LIMIT = 100
ENDINGS_SHOWN = 8
SEND_TIMEOUT_S = 5.0
SLICE = 250  # sessions looked at or described before others have their turn

DeviceId = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,128}$")]
Cursor = Annotated[int, Query(ge=0, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="How many sessions on a page.")]
EndingCursor = Annotated[int | None, Query(ge=1, description="`next` of the page before")]
EndingLimit = Annotated[int, Query(ge=1, le=ENDINGS_LIMIT, description="How many endings.")]
Prefix = Annotated[str, Query(max_length=128, description="How the device ids begin.")]


def device_routes(node: Node) -> APIRouter:
    """Return the routes about the devices of one node."""
    routes = APIRouter(prefix="/api", tags=["devices"])

    @routes.get("/sessions", response_model=SessionPage)
    async def sessions(
        state: State | None = None, prefix: Prefix = "", cursor: Cursor = 0, limit: Limit = 100
    ) -> Response:
        """List who is connected, page by page: of one state, with one beginning of their id."""
        page = await page_of(node, state=state, prefix=prefix, cursor=cursor, limit=limit)
        # Made into JSON in one go here; FastAPI would check a page of a thousand for 30 ms.
        return Response(page.model_dump_json(), media_type="application/json")

    # An id may hold a slash, so what follows it is looked for first.
    @routes.post("/devices/{device_id:path}/kick")
    async def kick(device_id: DeviceId) -> Kicked:
        """End a device's session with 4002 `kicked`; it is told to stay away."""
        session = node.registry.by_device(device_id)
        if session is None:
            raise HTTPException(404, f"{device_id} is not connected to this gateway")
        session.close(CloseReason.KICKED)
        node.log.info("device_kicked", device_id=session.device_id, session_id=session.session_id)
        return Kicked(
            device_id=session.device_id, session_id=session.session_id, claim=session.claim
        )

    @routes.post("/devices/{device_id:path}/send")
    async def send(device_id: DeviceId, message: Annotated[dict[str, Any], Body()]) -> Sent:
        """Send a message of the device protocol to a device that is connected."""
        session = node.registry.by_device(device_id)
        found = device_id if session is None else session.device_id
        try:
            await node.hub.send(found, json.encode(message), SEND_TIMEOUT_S)
        except CommandError as error:
            raise HTTPException(422, str(error)) from None
        except NotConnectedError as error:
            raise HTTPException(404, str(error)) from None
        except NoAnswerError as error:
            raise HTTPException(504, str(error)) from None
        except HubDownError as error:
            raise HTTPException(503, str(error)) from None
        node.log.info("message_sent", device_id=found, type=message.get("type"))
        return Sent(device_id=found)

    @routes.get("/devices/{device_id:path}")
    async def device(
        device_id: DeviceId, after: EndingCursor = None, limit: EndingLimit = ENDINGS_SHOWN
    ) -> DeviceView:
        """Tell all that is known of one device: its session, totals, endings and refusals."""
        view = await view_of(node, device_id, after, limit)
        if view.session or view.totals or view.endings or view.refusals:
            return view
        if view.store == "away":
            raise HTTPException(
                503,
                f"{device_id} is not connected to this gateway; whether it was is not known now,"
                " for the store cannot be asked",
            )
        raise HTTPException(
            404,
            f"nothing is known of {device_id}: it is not connected to this gateway, and none of"
            " the endings and refusals that are remembered is its own",
        )

    return routes


async def page_of(
    node: Node, *, state: State | None, prefix: str, cursor: int, limit: int
) -> SessionPage:
    """Return a page of sessions that came after the claim `cursor`.

    Others have their turn after every SLICE; who leaves meanwhile may still be on the page.
    """
    wanted: list[tuple[int, Session]] = []
    for count, session in enumerate(node.registry, start=1):
        if (
            (session.claim > cursor or session.claim == cursor == 0)
            and (state is None or session.connection.lifecycle.state is state)
            and session.device_id.startswith(prefix)
        ):
            wanted.append((session.claim, session))
        if count % SLICE == 0:
            await asyncio.sleep(0)
    wanted.sort(key=itemgetter(0))
    # Claimed while the store was away they have no number to go on from: all on the first page.
    limit += sum(not claim for claim, _ in wanted)
    found: list[SessionView] = []
    for _, session in wanted[:limit]:
        found.append(SessionView.of(session, node.ticker.now))
        if len(found) % SLICE == 0:
            await asyncio.sleep(0)
    more = len(wanted) > limit
    return SessionPage(
        total=len(node.registry), sessions=found, next=found[-1].claim if more else None
    )


async def view_of(node: Node, device_id: str, after: int | None, limit: int) -> DeviceView:
    """Return what is known of a device, with endings before the event `after`; never raises."""
    wall = node.clock.wall()
    session = node.registry.by_device(device_id)
    known_as = folded(device_id)
    refusals = node.refusals.of_device(device_id) or node.refusals.of_device(known_as)
    view = DeviceView(
        device_id=known_as if session is None else session.device_id,
        session=None if session is None else LiveView.of(session, node.ticker.now),
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
