"""Enrolment in the admin interface: who waits, who is enrolled; approve, revoke, forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Response
from fastapi.exceptions import HTTPException
from pydantic import BaseModel, StringConstraints

from keepline.admin.slices import described
from keepline.errors import LedgerError, RefusedError

if TYPE_CHECKING:
    from keepline.gateway.enrolment.desk import Desk, Waiter
    from keepline.gateway.enrolment.ledger import Entry

Text = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Code(BaseModel):
    """What a device reads out."""

    code: Text


class Approval(Code):
    """A code, and the device that was shown for it."""

    device_id: Text


class Device(BaseModel):
    """Which device."""

    device_id: Text


class Enrolled(BaseModel):
    """A device that is enrolled or revoked. Times are Unix time; no secret is among it."""

    device_id: str
    revoked: bool
    enrolled_at: float | None
    vouched_by: str
    board: str
    address: str


class Waiting(BaseModel):
    """A device that waits; `former` says what it was before, None for a stranger."""

    code: str
    device_id: str
    board: str
    serial: str
    address: str
    client_guessable: bool
    expires_in_s: float
    former: Enrolled | None


class Everybody(BaseModel):
    """The answer of `GET /api/enrolment`."""

    waiting: list[Waiting]
    devices: list[Enrolled]


class Done(BaseModel):
    """Whether there was anything to do."""

    done: bool


def enrolment_routes(desk: Desk) -> APIRouter:
    """Return the routes. A refusal by the desk has its own status, a ledger that fails is 503."""
    routes = APIRouter(prefix="/api/enrolment", tags=["enrolment"])

    @routes.get("", response_model=Everybody)
    async def everybody() -> Response:
        """Tell who waits, and who is enrolled or revoked."""
        waiting = [_waiting(each) for each in desk.waiting()]
        devices = await described(desk.devices(), _one)
        told = Everybody.model_construct(waiting=waiting, devices=devices)
        # Made into JSON in one go here; FastAPI would check 15,000 devices for 100 ms.
        return Response(told.model_dump_json(), media_type="application/json")

    @routes.post("/look")
    async def look(asked: Code) -> Waiting:
        """Tell whose code this is; 404 for nobody's, 429 after too many wrong ones."""
        try:
            return _waiting(desk.look(asked.code))
        except RefusedError as error:
            raise _refused(error) from None

    @routes.post("/approve")
    async def approve(asked: Approval) -> Waiting:
        """Vouch for a device; it has its token within seconds."""
        try:
            return _waiting(await desk.approve(asked.code, asked.device_id))
        except RefusedError as error:
            raise _refused(error) from None

    @routes.post("/revoke")
    async def revoke(asked: Device) -> Enrolled:
        """Void a device's tokens and end its session, also of one that was never enrolled."""
        try:
            return _one(await desk.revoke(asked.device_id))
        except LedgerError as error:
            raise HTTPException(503, f"refused until a restart only: {error}") from None

    @routes.post("/forget")
    async def forget(asked: Device) -> Done:
        """Make a device a stranger again."""
        try:
            return Done(done=await desk.forget(asked.device_id))
        except LedgerError as error:
            raise HTTPException(503, str(error)) from None

    return routes


def _refused(error: RefusedError) -> HTTPException:
    wait = error.retry_after_s
    headers = None if wait is None else {"Retry-After": str(wait)}
    return HTTPException(error.reason.status or 500, error.detail, headers)


def _waiting(waiter: Waiter) -> Waiting:
    former = None if waiter.former is None else _one(waiter.former)
    return Waiting(**{**waiter._asdict(), "former": former})


def _one(entry: Entry) -> Enrolled:
    return Enrolled(
        device_id=entry.device_id,
        revoked=entry.revoked,
        enrolled_at=entry.enrolled_at or None,
        vouched_by=entry.vouched_by,
        board=entry.board,
        address=entry.address,
    )
