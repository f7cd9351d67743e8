"""What was done about an alert is on it, with what came of that."""

from __future__ import annotations

from keepline.app.deeds import DONE, MOST_ENDED, MOST_KNOWN
from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.orders import Order
from tests.unit.app.governed import BETTER, PRESSED, WALL, Node, alert


def test_an_action_is_told_where_it_relieves_with_numbers_before_and_after() -> None:
    node = Node()
    node.begins(Action.SHED)
    node.clock.advance(40)
    node.governor.seen, node.governor.shed = BETTER, 120
    shed = DONE[Action.SHED]
    assert node.told("memory_bytes") == [
        f"{shed}: 92 % of memory -> 81 % of memory in 40 s, 120 sent away"
    ]
    assert node.told("memory_bytes", "trend") == node.told("memory_bytes")
    assert node.told("queue_depth") == [
        f"{shed}: 8.0 MB queued -> 1.0 MB queued in 40 s, 120 sent away"
    ]
    assert "nothing, 100 ms of lag" in node.told("cpu_percent")[0]


def test_what_ended_keeps_the_numbers_of_its_end_and_is_told_to_alerts_that_saw_it() -> None:
    node = Node()
    node.begins(Action.HOLD)
    node.clock.advance(10)
    node.governor.seen, node.governor.newcomers.held = BETTER, 4
    node.ends(Action.HOLD)
    node.clock.advance(60)
    node.governor.seen, node.governor.newcomers.held = PRESSED, 9
    [action] = node.deeds.account(alert("cpu_percent", "threshold")).actions
    assert (action.at, action.ended_at) == (WALL, WALL + 10)
    assert action.effect == "300 ms of lag -> 100 ms of lag in 10 s, 4 held"
    node.begins(Action.HOLD)
    assert len(node.deeds.account(alert("cpu_percent", "threshold")).actions) == 2
    assert len(node.deeds.account(alert("cpu_percent", "threshold", WALL + 11)).actions) == 1


def test_what_an_operator_forces_is_told_as_that() -> None:
    node = Node()
    node.begins(Action.SHRINK, "forced")
    assert "as an operator wants it" in node.told("memory_bytes")[0]


def test_why_the_governor_does_nothing_is_told_with_numbers() -> None:
    node = Node()
    assert node.told("memory_bytes") == [
        "nothing, 92 % of memory are a pressure of 0.30, and the governor begins at 0.70"
    ]
    node.governor.off = {Action.SHRINK}
    assert "begins at 0.85" in node.told("memory_bytes")[0]
    node.governor.orders.put(Action.HOLD, Order(0.0))
    assert "begins at 0.90" in node.told("memory_bytes")[0]
    node.governor.orders.put(None, Order(0.5))
    assert "act as at a pressure of 0.00 and 0.50" in node.told("memory_bytes")[0]
    node.governor.off = set(Action)
    assert node.told("memory_bytes") == ["nothing, what the governor would do is switched off"]


def test_what_is_not_known_is_said_so() -> None:
    node = Node()
    node.governor.seen = PRESSED._replace(memory_share=None)
    node.begins(Action.NONE)
    assert "unknown -> unknown" in node.told("memory_bytes")[0]


def test_an_alert_of_a_former_life_is_counted_from_the_beginning_of_this_one() -> None:
    node = Node()
    node.clock.advance(5)
    account = node.deeds.account(alert("out_of_descriptors", "incident", WALL - 3_600))
    assert [each.at for each in account.actions] == [WALL]


def test_what_is_remembered_is_bounded() -> None:
    node = Node()
    for _ in range(MOST_ENDED + 5):
        node.begins(Action.SHED)
        node.ends(Action.SHED)
    assert len(node.deeds.account(alert("memory_bytes", "threshold")).actions) == MOST_ENDED
    for number in range(MOST_KNOWN + 5):
        node.deeds.account(alert("bans", "incident", number=number))
    assert len(node.deeds._first) == MOST_KNOWN


def test_there_are_words_for_every_action() -> None:
    assert set(DONE) == set(Action)
