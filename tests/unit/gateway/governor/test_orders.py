from __future__ import annotations

from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.orders import Order, Orders


def test_without_an_order_nothing_is_forced() -> None:
    orders = Orders()
    assert not orders
    assert orders.pressures() == {}
    assert orders.of(None) is None


def test_an_order_for_one_goes_before_that_for_all() -> None:
    orders = Orders()
    orders.put(None, Order(0.9))
    orders.put(Action.SHED, Order(0.0))
    assert orders.pressures() == {**dict.fromkeys(Action, 0.9), Action.SHED: 0.0}
    orders.put(None, None)
    assert orders.pressures() == {Action.SHED: 0.0}
    orders.put(Action.SHED, None)
    assert not orders


def test_an_order_stands_until_its_time_or_until_it_is_taken_back() -> None:
    orders = Orders()
    orders.put(None, Order(0.9))
    orders.put(Action.SHED, Order(1.0, until=60.0))
    assert orders.over(59.9) == []
    assert orders.over(60.0) == [Action.SHED]


def test_what_was_never_ordered_is_taken_back_without_a_word() -> None:
    orders = Orders()
    orders.put(Action.SHED, None)
    assert not orders
