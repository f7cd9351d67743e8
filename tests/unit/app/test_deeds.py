"""What the governor does is on the alerts that it is about."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from keepline.app.deeds import DONE, Deeds
from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.governor import Governor
from keepline.gateway.governor.signals import Seen
from keepline.monitor.alerts.alerts import Alerts

PRESSED = Seen(lag_s=0.3, memory_share=0.92, queued_bytes=8 << 20, standing_s=0.0)
BETTER = Seen(lag_s=0.1, memory_share=0.81, queued_bytes=1 << 20, standing_s=0.0)


class Node:
    """A governor that does as it is told, and alerts that remember."""

    def __init__(self) -> None:
        self.noted: dict[tuple[str, str, str], str] = {}
        self.governor = SimpleNamespace(taken={}, seen=PRESSED)
        alerts = SimpleNamespace(acted=self._acted)
        self.deeds = Deeds(cast("Governor", self.governor), cast("Alerts", alerts))

    def _acted(self, about: str, kind: str, action: str, effect: str) -> None:
        self.noted[about, kind, action] = effect

    def looks(self, seen: Seen, *taken: Action) -> None:
        self.governor.seen, self.governor.taken = seen, dict.fromkeys(taken, 0.5)
        self.deeds.note()


def test_an_action_is_noted_where_it_relieves_with_what_came_of_it_and_its_end() -> None:
    node = Node()
    node.looks(PRESSED, Action.SHED)
    node.looks(BETTER, Action.SHED)
    key = ("memory_bytes", "threshold", DONE[Action.SHED])
    assert node.noted[key] == "92% of memory before, 81% of memory now"
    assert ("memory_bytes", "trend", DONE[Action.SHED]) in node.noted
    queued = node.noted["queue_depth", "threshold", DONE[Action.SHED]]
    assert queued == "8.0 MB queued before, 1.0 MB queued now"
    assert "cpu_percent" not in {about for about, *_ in node.noted}
    node.looks(BETTER)
    assert node.noted[key].endswith("now, over")
    node.noted.clear()
    node.looks(BETTER)
    assert node.noted == {}


def test_what_is_done_for_a_late_loop_is_on_the_alerts_of_cpu() -> None:
    node = Node()
    node.looks(PRESSED, Action.SLOW)
    about = ("cpu_percent", "threshold", DONE[Action.SLOW])
    assert node.noted[about] == "300 ms of lag before, 300 ms of lag now"


def test_what_is_not_known_is_said_so() -> None:
    node = Node()
    node.looks(PRESSED._replace(memory_share=None), Action.NONE)
    about = ("memory_bytes", "threshold", DONE[Action.NONE])
    assert node.noted[about] == "unknown before, unknown now"


def test_there_are_words_for_every_action() -> None:
    assert set(DONE) == set(Action)
