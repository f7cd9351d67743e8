"""The governor in the admin interface: how pressed the node is, what it does, and overruling it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Le
from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints

from keepline.gateway.governor.actions import BY_WORD, Action

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keepline.gateway.node import Node

Word = Literal["shrink", "slow", "hold", "shed", "resumes_only", "none"]
Pressure = Annotated[float, Ge(0), Le(1)]
While = Annotated[float, Gt(0), Le(2_592_000)]
Name = Annotated[str, StringConstraints(max_length=200)]


class SignalView(BaseModel):
    """What presses the node: as it was read, None where it cannot be, and as 0 to 1."""

    signal: str
    seen: float | None
    pressure: float


class OrderView(BaseModel):
    """By which pressure an operator has it act, who that is ("" where it was not said), how long.

    `left_s` is None where that is until it is released.
    """

    pressure: float
    by: str
    left_s: float | None


class ActionView(BaseModel):
    """What is done from the pressure `low` on, with all its strength from `high` on.

    `strength` is None while it is not done, `for_s` how long it has been; `begun` counts its
    beginnings since the start. One that is not `on` is done in no case; `forced` is None unless
    somebody overrules the signals for it alone.
    """

    action: Word
    low: float
    high: float
    signals: list[str]
    on: bool
    forced: OrderView | None
    strength: float | None
    for_s: float | None
    begun: int


class DoorView(BaseModel):
    """Who comes: `judging` now of at most `limit`, `waiting` for that, `holding` back.

    `per_turn` of them are accepted, judged and opened in a turn of the loop.

    The others count since the start: who `waited`, was `held`, was `refused`; and who was `shed`.
    """

    limit: float | None
    per_turn: float | None
    judging: int
    waiting: int
    holding: int
    waited: int
    held: int
    refused: int
    shed: int


class GovernorView(BaseModel):
    """The answer of `GET /api/governor`; `forced` is None unless somebody overrules the signals.

    What is forced for one action alone is told with that, and goes first.
    """

    pressure: float
    forced: OrderView | None
    signals: list[SignalView]
    actions: list[ActionView]
    door: DoorView


class Forced(BaseModel):
    """The pressure to act by, whatever the signals say; None to act by these again.

    Of one `action` alone, or of all without it; for so long, or until it is released. None without
    an action ends what was said of single ones, too. `by` is who says so.
    """

    pressure: Pressure | None
    action: Word | None = None
    for_s: While | None = None
    by: Name = ""


class Switched(BaseModel):
    """Whether an action is done when it is due."""

    action: Word
    on: bool


def governor_view(node: Node) -> GovernorView:
    """Return what is told of the governor."""
    governor = node.governor
    seen = governor.told().values()
    return GovernorView(
        pressure=round(governor.pressure, 3),
        forced=_order_view(node, None),
        signals=[
            SignalView(signal=signal, seen=value, pressure=round(pressure, 3))
            for (signal, pressure), value in zip(governor.pressures.items(), seen, strict=True)
        ],
        actions=[_action_view(node, action) for action in Action],
        door=_door_view(node),
    )


def governor_routes(node: Node) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/governor", tags=["governor"])

    @routes.get("")
    async def governor() -> GovernorView:
        """Tell how pressed the node is, by what, and what it does about it."""
        return governor_view(node)

    @routes.post("/force")
    async def force(asked: Forced) -> GovernorView:
        """Have all or one act as if the node was pressed so much, or by its signals again."""
        for action in _meant(asked):
            node.governor.force(asked.pressure, action, by=asked.by, for_s=asked.for_s)
        return governor_view(node)

    @routes.post("/switch")
    async def switch(asked: Switched) -> GovernorView:
        """Have an action done when it is due, or in no case; until the process ends."""
        node.governor.switch(BY_WORD[asked.action], on=asked.on)
        return governor_view(node)

    return routes


def _meant(asked: Forced) -> Iterable[Action | None]:
    if asked.action is not None:
        return (BY_WORD[asked.action],)
    if asked.pressure is not None:
        return (None,)
    return (None, *Action)  # in this order: what one action was kept from does not begin in between


def _order_view(node: Node, action: Action | None) -> OrderView | None:
    order = node.governor.orders.of(action)
    if order is None:
        return None
    left_s = None if order.until is None else max(0.0, round(order.until - node.clock.now(), 1))
    return OrderView(pressure=order.pressure, by=order.by, left_s=left_s)


def _action_view(node: Node, action: Action) -> ActionView:
    governor = node.governor
    since = governor.since.get(action)
    strength = governor.taken.get(action)
    return ActionView.model_validate(
        {
            "action": action.word,
            "low": action.low,
            "high": action.high,
            "signals": [signal.value for signal in action.relieves],
            "on": action not in governor.off,
            "forced": _order_view(node, action),
            "strength": None if strength is None else round(strength, 3),
            "for_s": None if since is None else round(node.ticker.now - since, 1),
            "begun": governor.begun[action],
        }
    )


def _door_view(node: Node) -> DoorView:
    governor = node.governor
    turnstile, newcomers = governor.turnstile, governor.newcomers
    return DoorView(
        limit=turnstile.limit.value if node.settings.governor.enabled else None,
        per_turn=governor.crowd.per_turn if node.settings.governor.enabled else None,
        judging=turnstile.judging,
        waiting=len(turnstile),
        holding=len(newcomers),
        waited=turnstile.waited,
        held=newcomers.held,
        refused=newcomers.refused,
        shed=governor.shed,
    )
