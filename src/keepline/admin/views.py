"""What the admin interface tells of devices: live sessions, endings, refusals."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import json, structs
from pydantic import BaseModel, ValidationError

from keepline.gateway.endings import REASONS
from keepline.hub.port import Outcome  # noqa: TC001 - pydantic reads the annotations
from keepline.lifecycle.explained import explained
from keepline.lifecycle.heartbeat import Verdict  # noqa: TC001 - pydantic reads the annotations
from keepline.lifecycle.history import Step, steps
from keepline.lifecycle.states import Origin, State
from keepline.reasons import Advice, Initiator  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from typing import Self

    from keepline.gateway.endings import Refusal
    from keepline.gateway.session import Session
    from keepline.hub.port import Event, Totals
    from keepline.lifecycle.explained import Explained


Answered: TypeAlias = Literal["none", "silent"]


class SessionView(BaseModel):
    """A device that is connected. Its Client-Id is not told: to the enrolment it is a secret.

    Times in seconds; `last_frame_s` is since its last data message, `last_byte_s` since its last
    sign of life. `average_rtt_s` is None before its first pong. `former` says that the process
    before this one, which leaves, has it still.
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
    former: bool = False

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


class StepView(BaseModel):
    """One transition: after `after_s` in the state `previous`, `event` led to `state`.

    `initiator` began it, `cause` says why; where an end began that is the ending's own. All three
    beside the event may be unknown: None or empty.
    """

    previous: str | None = None
    state: str
    event: str
    initiator: Initiator | None = None
    cause: str = ""
    after_s: float


class LiveView(SessionView):
    """A device that is connected, what it found when it came, and its last transitions.

    `state_s` is since the last of them; None when the process before this one does not tell.
    `held_back_s`: in so many seconds on end, up to the last, it sent more than it may.
    """

    outcome: Outcome
    state_s: float | None = None
    held_back_s: int = 0
    steps: list[StepView]

    @classmethod
    def of(cls, session: Session, now: float) -> Self:
        """Return how `session` looks at `now`, attentive time."""
        lifecycle = session.connection.lifecycle
        reason = lifecycle.reason
        ending = None if reason is None else Origin(reason.initiator, reason.cause)
        return cls(
            **SessionView.of(session, now).model_dump(),
            outcome=session.outcome,
            state_s=round(now - lifecycle.since, 1),
            held_back_s=session.connection.node.turns.budget.over_for_s(session.connection),
            steps=[StepView(**step) for step in _told(explained(steps(lifecycle.history), ending))],
        )


class SessionPage(BaseModel):
    """Sessions in the order in which they came; `next` is the cursor of the next page, if any.

    `former` is `silent` when the process before this one has not answered: what it has is missing.
    """

    total: int
    sessions: list[SessionView]
    next: int | None
    former: Answered = "none"


class EndingView(BaseModel):
    """How a connection ended.

    `code` is the close code that we sent, None where nothing was sent; `advice` what the device
    should make of it, None where it ended it itself. `state` is where the connection was when its
    end began; `newer_claim` belongs to who took the device over. `claim` 0 means
    that the store was away when the device came.
    """

    at: datetime
    ago_s: float
    cause: str
    initiator: Initiator
    code: int | None = None
    advice: Advice | None
    detail: str = ""
    state: State
    age_s: float
    last_frame_s: float
    last_byte_s: float
    average_rtt_s: float | None
    pings: int
    ping_failures: int
    claim: int
    newer_claim: int | None = None
    session_id: str
    address: str
    steps: list[StepView]

    @classmethod
    def of(cls, event: Event, wall: float) -> Self | None:
        """Return how an `offline` event looks at `wall`; None for what another version wrote."""
        try:
            told = json.decode(event.data)
            reason = REASONS.get(told["cause"])
            return cls(
                **told | {"steps": _steps_in(told)},
                at=datetime.fromtimestamp(event.at, UTC),
                ago_s=_ago(event.at, wall),
                advice=None if reason is None else reason.advice,
            )
        except (ValueError, LookupError, TypeError, ValidationError):
            return None


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


class TotalsView(BaseModel):
    """What the sessions of one device come to that have ended; `average_rtt_s` is over all."""

    first_at: datetime
    last_at: datetime
    sessions: int
    resumed: int
    connected_s: float
    pings: int
    ping_failures: int
    average_rtt_s: float | None

    @classmethod
    def of(cls, totals: Totals) -> Self:
        """Return the totals with their times as such."""
        first_at, last_at = (
            datetime.fromtimestamp(at, UTC) for at in (totals.first_at, totals.last_at)
        )
        return cls(**{**totals._asdict(), "first_at": first_at, "last_at": last_at})


class DeviceView(BaseModel):
    """All that is known of one device; endings and refusals with the latest first.

    `next` is the cursor of the next page of endings, if any. `store` is `away` when the store
    could not be asked: endings and totals are then not known now, which is not to say none.
    `former` is `silent` when the process before this one has not answered whether it has a session.
    """

    device_id: str
    session: LiveView | None
    store: Literal["here", "away"] = "here"
    former: Answered = "none"
    totals: TotalsView | None = None
    endings: list[EndingView]
    next: int | None = None
    refusals: list[RefusalView]


class EventView(BaseModel):
    """Something that happened to a device; what `data` has depends on the `kind`."""

    id: int
    at: datetime
    device_id: str
    kind: str
    data: Any

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return an event with its data read; an ending's transitions with what follows of them."""
        at = datetime.fromtimestamp(event.at, UTC)
        data = json.decode(event.data)
        if event.kind == "offline":
            with suppress(LookupError, TypeError):  # as another version wrote it
                data["steps"] = _steps_in(data)
        return cls(**{**event._asdict(), "at": at, "data": data})


class EventPage(BaseModel):
    """Events, oldest first; `next` is where to go on, also when there is nothing new yet."""

    events: list[EventView]
    next: int


class Sent(BaseModel):
    """To which session a message is on its way."""

    device_id: str


class Kicked(BaseModel):
    """Which session was told to go."""

    device_id: str
    session_id: str
    claim: int


def _steps_in(ending: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the transitions of an ending as it was kept; raises for one of another version."""
    origin = Origin(ending["initiator"], ending["cause"])
    return _told(explained([Step(**step) for step in ending["steps"]], origin))


def _told(passed: list[Explained]) -> list[dict[str, Any]]:
    return [structs.asdict(step) for step in passed]


def _ago(at: float, wall: float) -> float:
    return round(max(0.0, wall - at), 1)  # a wall clock may step back
