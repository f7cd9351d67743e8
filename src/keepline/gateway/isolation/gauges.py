"""What is read of the isolation at each scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.gateway.isolation.suspension import Standing
from keepline.monitor.exposition import ShownCounter, ShownGauge

if TYPE_CHECKING:
    from keepline.gateway.isolation.isolation import Isolation
    from keepline.gateway.node import Node
    from keepline.monitor.exposition import Shown

KINDS: Final = ("task", "thread")


def gauges_of(node: Node) -> tuple[Shown, ...]:
    """Return the gauges and tallies of one node."""
    isolation = node.isolation
    return (
        ShownGauge(
            "keepline_handler_calls_under_way",
            "Sessions whose handler awaits something.",
            lambda: len(isolation.deadlines),
        ),
        ShownGauge(
            "keepline_stray_calls",
            "Tasks and threads that go on although their session has gone.",
            lambda: _strays(isolation),
            label="kind",
            values=KINDS,
        ),
        ShownGauge(
            "keepline_handler_suspended",
            "1 for a class of handlers of which no session is begun, or a few to see.",
            lambda: _suspended(node),
            label="handler",
        ),
        ShownGauge(
            "keepline_handler_suspended_addresses",
            "Addresses from which a class of handlers is suspended, and not from elsewhere.",
            lambda: {
                name: float(len(addresses))
                for name, addresses in isolation.suspensions.addresses().items()
            },
            label="handler",
        ),
        ShownCounter(
            "keepline_handler_suspensions",
            "Times that a class of handlers failed with too many devices.",
            lambda: sum(each.suspensions for _, each in isolation.suspensions),
        ),
    )


def _suspended(node: Node) -> dict[str, float]:
    """Return 0 also for what nobody comes to try: nobody is refused because of it."""
    now = node.ticker.now
    return {
        name: float(each.standing(now) is not Standing.SERVING and not each.is_deserted(now))
        for name, each in node.isolation.suspensions
    }


def _strays(isolation: Isolation) -> dict[str, float]:
    kinds = [kind for kind, _ in isolation.strays.found()]
    return {kind: float(kinds.count(kind)) for kind in KINDS}
