"""What the admin interface tells of devices: live sessions, endings, refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel

from keepline.lifecycle.heartbeat import Verdict  # noqa: TC001 - pydantic reads the annotations
from keepline.lifecycle.states import State  # noqa: TC001 - pydantic reads the annotations
from keepline.reasons import Advice, Initiator  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from typing import Self

    from keepline.gateway.endings import Ending, Refusal
    from keepline.gateway.session import Session


class SessionView(BaseModel):
    """A device that is connected. Its Client-Id is not told: to the enrolment it is a secret.

    Times in seconds; `last_frame_s` is since its last data message, `last_byte_s` since its last
    sign of life. `average_rtt_s` is None before its first pong.
    """

    device_id: str
    session_id: str
    claim: int
    state: State
    verdict: Verdict
    profile: str
    address: str
    age_s: float
    last_frame_s: float
    last_byte_s: float
    average_rtt_s: float | None
    pings: int
    ping_failures: int

    @classmethod
    def of(cls, session: Session, now: float) -> Self:
        """Return how `session` looks at `now`, attentive time."""
        connection = session.connection
        heartbeat = connection.heartbeat
        # Ours from end to end: nothing to be checked again, a thousand times for a page.
        return cls.model_construct(
            device_id=session.device_id,
            session_id=session.session_id,
            claim=session.claim,
            state=connection.lifecycle.state,
            verdict=heartbeat.verdict,
            profile=connection.profile.name,
            address=connection.address,
            age_s=round(now - session.opened_at, 1),
            last_frame_s=round(now - connection.last_activity, 1),
            last_byte_s=round(now - heartbeat.last_rx, 1),
            average_rtt_s=heartbeat.average_rtt_s,
            pings=heartbeat.pings,
            ping_failures=heartbeat.failures,
        )


class SessionPage(BaseModel):
    """Sessions in the order in which they came; `next` is the cursor of the next page, if any."""

    total: int
    sessions: list[SessionView]
    next: int | None


class EndingView(BaseModel):
    """How a connection ended.

    `code` is the close code that we sent, None where nothing was sent; `advice` what the device
    should make of it, None where it ended it itself. `state` is where the connection was when its
    end began; `newer_claim` belongs to who took the device over. `claim` 0 and `session_id` ""
    mean: before its hello.
    """

    at: datetime
    ago_s: float
    cause: str
    initiator: Initiator
    code: int | None
    advice: Advice | None
    detail: str
    state: State
    age_s: float
    last_frame_s: float
    last_byte_s: float
    average_rtt_s: float | None
    pings: int
    ping_failures: int
    claim: int
    newer_claim: int | None
    session_id: str
    address: str

    @classmethod
    def of(cls, ending: Ending, wall: float) -> Self:
        """Return how `ending` looks at `wall`."""
        reason = ending.reason
        kept = {name: getattr(ending, name) for name in ending.__struct_fields__}
        return cls(
            **{
                **kept,
                "at": datetime.fromtimestamp(ending.at, UTC),
                "ago_s": _ago(ending.at, wall),
                "initiator": reason.initiator,
                "code": reason.code,
                "advice": reason.advice,
            }
        )


class RefusalView(BaseModel):
    """How a request that named this device was refused; who sent it, nobody has judged."""

    at: datetime
    ago_s: float
    cause: str
    status: int | None
    advice: Advice | None
    detail: str
    address: str

    @classmethod
    def of(cls, refusal: Refusal, wall: float) -> Self:
        """Return how `refusal` looks at `wall`."""
        reason = refusal.reason
        return cls(
            at=datetime.fromtimestamp(refusal.at, UTC),
            ago_s=_ago(refusal.at, wall),
            cause=refusal.cause,
            status=reason.status,
            advice=reason.advice,
            detail=refusal.detail,
            address=refusal.address,
        )


class DeviceView(BaseModel):
    """All that is known of one device; endings and refusals with the latest first."""

    device_id: str
    session: SessionView | None
    endings: list[EndingView]
    refusals: list[RefusalView]


class Kicked(BaseModel):
    """Which session was told to go."""

    device_id: str
    session_id: str
    claim: int


def _ago(at: float, wall: float) -> float:
    return round(max(0.0, wall - at), 1)  # a wall clock may step back
