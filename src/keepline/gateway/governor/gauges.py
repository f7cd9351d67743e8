"""What a scrape tells of the governor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.gateway.governor.actions import BY_WORD, Action
from keepline.gateway.governor.signals import Signal
from keepline.monitor.exposition import ShownCounter, ShownGauge

if TYPE_CHECKING:
    from keepline.gateway.governor.governor import Governor
    from keepline.monitor.exposition import Shown


def gauges_of(governor: Governor) -> tuple[Shown, ...]:
    """Return what is read at each scrape."""
    turnstile, newcomers = governor.turnstile, governor.newcomers
    return (
        ShownGauge(
            "keepline_pressure_ratio",
            "How pressed the node is, by each of its signals.",
            lambda: {signal.value: value for signal, value in governor.pressures.items()},
            label="signal",
            values=tuple(Signal),
        ),
        ShownGauge(
            "keepline_governor_taken",
            "1 for what is done about the pressure, 0 for everything else.",
            lambda: {action.word: float(action in governor.taken) for action in Action},
            label="action",
            values=tuple(BY_WORD),
        ),
        ShownGauge(
            "keepline_governor_forced",
            "1 while an operator overrules the signals.",
            lambda: float(bool(governor.orders)),
        ),
        ShownCounter(
            "keepline_governor_begun",
            "Times that something began to be done about the pressure.",
            lambda: {action.word: float(count) for action, count in governor.begun.items()},
            label="action",
            values=tuple(BY_WORD),
        ),
        ShownCounter(
            "keepline_governed_devices",
            "Devices that had to wait to be judged, were held, refused, or sent away when idle.",
            lambda: {
                "waited": turnstile.waited,
                "held": newcomers.held,
                "refused": newcomers.refused,
                "shed": governor.shed,
            },
            label="outcome",
            values=("waited", "held", "refused", "shed"),
        ),
        ShownGauge(
            "keepline_judging_limit",
            "How many requests may be judged at once.",
            lambda: turnstile.limit.value,
        ),
        ShownGauge(
            "keepline_newcomers_per_turn",
            "How many may take a step on their way in, in a turn of the loop.",
            lambda: governor.crowd.per_turn,
        ),
        ShownGauge(
            "keepline_judging", "Requests that are judged just now.", lambda: turnstile.judging
        ),
        ShownGauge(
            "keepline_judging_waiting", "Requests that wait for it.", lambda: len(turnstile)
        ),
    )
