"""PURE: what operators say in place of the signals: for all actions, or for one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keepline.gateway.governor.actions import UNFORCED, Action

if TYPE_CHECKING:
    from collections.abc import Mapping


class Order(NamedTuple):
    """The pressure to act by, who says so ("" for nobody in particular), and until when.

    `until` is monotonic time, None for until it is released.
    """

    pressure: float
    by: str = ""
    until: float | None = None


class Orders:
    """One order for each action at most, and one for all, None; that for the one goes first."""

    __slots__ = ("_orders",)

    def __init__(self) -> None:
        self._orders: dict[Action | None, Order] = {}

    def __bool__(self) -> bool:
        return bool(self._orders)

    def of(self, action: Action | None) -> Order | None:
        """Return the order that was given for exactly that, None for none."""
        return self._orders.get(action)

    def put(self, action: Action | None, order: Order | None) -> None:
        """Give an order in place of the one before; None for none."""
        if order is None:
            self._orders.pop(action, None)
        else:
            self._orders[action] = order

    def over(self, now: float) -> list[Action | None]:
        """Return those whose time is over."""
        return [
            action
            for action, order in self._orders.items()
            if order.until is not None and now >= order.until
        ]

    def pressures(self) -> Mapping[Action, float]:
        """Return which actions are forced, and to act by which pressure."""
        if not self._orders:
            return UNFORCED
        found = ((action, self.of(action) or self.of(None)) for action in Action)
        return {action: order.pressure for action, order in found if order is not None}
