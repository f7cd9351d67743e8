"""The table of sessions in the dashboard: any order, any filter, page by page, for a large fleet.

A page begins behind the last row of the one before, whatever has come or gone meanwhile, so the
hundredth page costs what the first does: one look at each session, and no list of all of them.
"""

from __future__ import annotations

import asyncio
from heapq import nsmallest
from math import inf
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple, TypeAlias

from fastapi import APIRouter, Query, Response
from fastapi.exceptions import HTTPException
from pydantic import BaseModel

from keepline.admin.slices import SLICE
from keepline.admin.views import SessionView
from keepline.lifecycle.heartbeat import Verdict  # noqa: TC001 - FastAPI reads the annotations
from keepline.lifecycle.states import State  # noqa: TC001 - FastAPI reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

PAGE_LIMIT: Final = 250

Order = Literal["age", "frame", "byte", "rtt", "pings", "failures"]
Place: TypeAlias = "tuple[float, int, str]"
Row: TypeAlias = "tuple[float, int, str, Session]"
Text = Annotated[str, Query(max_length=128, description="A part of the device id or address.")]
Behind = Annotated[str, Query(max_length=80, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="How many rows.")]

# What each order compares; of times the negative moment, so that it grows with what is shown.
_KEYS: Final[dict[Order, Callable[[Session], float]]] = {
    "age": lambda session: -session.opened_at,
    "frame": lambda session: -session.connection.last_activity,
    "byte": lambda session: -session.connection.heartbeat.last_rx,
    "rtt": lambda session: session.connection.heartbeat.average_rtt_s or 0.0,
    "pings": lambda session: session.connection.heartbeat.pings,
    "failures": lambda session: session.connection.heartbeat.failures,
}


class TablePage(BaseModel):
    """`matching` of `total` sessions fit the filter; `next` is where the next page begins.

    `places` are by row where a page behind it would begin: by these, pages of several processes
    can be made one. `total` and `matching` were counted while the page was made: who came or went
    meanwhile may be in them or not.
    """

    total: int
    matching: int
    sessions: list[SessionView]
    places: list[str]
    next: str | None


class Wanted(NamedTuple):
    """Which sessions, in which order; `text` in small letters, "" for any."""

    by: Order
    descending: bool
    state: State | None
    verdict: Verdict | None
    text: str

    def fits(self, session: Session) -> bool:
        """Return whether that session belongs into the table."""
        connection = session.connection
        return (
            (self.state is None or connection.lifecycle.state is self.state)
            and (self.verdict is None or connection.heartbeat.verdict is self.verdict)
            and (
                not self.text
                or self.text in session.device_id.lower()
                or self.text in connection.address
            )
        )

    def row(self, session: Session) -> Row:
        """Return it with what it is compared by: no two are alike, so no row is on two pages.

        Of those that are the same in that order, who came last is the youngest.
        """
        key, claim = _KEYS[self.by](session), session.claim
        if self.descending:
            return -key, claim, session.session_id, session
        return key, -claim, session.session_id, session


def table_routes(node: Node) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/api/sessions", tags=["dashboard"])

    @routes.get("/table", response_model=TablePage)
    async def table(
        *,
        by: Order = "age",
        descending: bool = False,
        state: State | None = None,
        verdict: Verdict | None = None,
        text: Text = "",
        behind: Behind = "",
        limit: Limit = 100,
    ) -> Response:
        """List sessions of this process, ordered and filtered, page by page."""
        wanted = Wanted(by, descending, state, verdict, text.strip().lower())
        page = await page_of(node, wanted, _read(behind), limit)
        # Made into JSON in one go here; FastAPI would check every row again.
        return Response(page.model_dump_json(), media_type="application/json")

    return routes


async def page_of(node: Node, wanted: Wanted, behind: Place, limit: int) -> TablePage:
    """Return the page behind a row; others have their turn of the loop after every slice."""
    best: list[Row] = []
    seen: list[Row] = []
    count = matching = 0
    for count, session in enumerate(node.registry, start=1):
        if wanted.fits(session):
            matching += 1
            row = wanted.row(session)
            # Who is behind the last that fits on the page needs no sorting.
            if row[:3] > behind and (len(best) <= limit or row < best[-1]):
                seen.append(row)
        if count % SLICE == 0:
            best, seen = nsmallest(limit + 1, best + seen), []
            await asyncio.sleep(0)
    best = nsmallest(limit + 1, best + seen)
    page = best[:limit]
    now = node.ticker.now
    # Who has left while the others were looked at is counted, and not shown any more.
    here = [row for row in page if row[-1] in node.registry]
    return TablePage.model_construct(
        total=count,
        matching=matching,
        sessions=[SessionView.of(row[-1], now) for row in here],
        places=[_place(row) for row in here],
        next=_place(page[-1]) if len(best) > limit else None,
    )


def _place(row: Row) -> str:
    return "~".join(map(str, row[:3]))


def _read(behind: str) -> Place:
    """Return the place that a cursor names, before all rows for none."""
    if not behind:
        return -inf, 0, ""
    try:
        key, claim, session_id = behind.split("~", 2)
        return float(key), int(claim), session_id
    except ValueError:
        raise HTTPException(422, "`behind` is to be `next` of the page before") from None
