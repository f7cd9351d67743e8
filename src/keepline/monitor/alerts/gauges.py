"""What is read of the alerts at each scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.monitor.exposition import ShownCounter, ShownGauge
from keepline.monitor.findings import Severity

if TYPE_CHECKING:
    from keepline.clock import Clock
    from keepline.monitor.alerts.alerts import Alerts
    from keepline.monitor.exposition import Shown
    from keepline.monitor.metrics import Deliveries

_SEVERITIES: Final = tuple(severity.value for severity in Severity)


def gauges_of(alerts: Alerts, deliveries: Deliveries, clock: Clock) -> tuple[Shown, ...]:
    """Return the gauges and counters: their labels are closed lists."""

    def opened() -> dict[str, float]:
        found = dict.fromkeys(_SEVERITIES, 0.0)
        for alert in alerts.book.open:
            found[alert.severity.value] += 1
        return found

    def oldest() -> dict[str, float]:
        found, now = dict.fromkeys(_SEVERITIES, 0.0), clock.wall()
        for alert in alerts.book.open:
            age_s = now - alert.since
            found[alert.severity.value] = max(found[alert.severity.value], age_s)
        return found

    return (
        ShownGauge(
            "keepline_alerts_open",
            "Alerts that are open, the flapping ones too.",
            opened,
            label="severity",
            values=_SEVERITIES,
        ),
        ShownGauge(
            "keepline_alerts_oldest_age_seconds",
            "For how long the oldest open alert has been so, 0 without one.",
            oldest,
            label="severity",
            values=_SEVERITIES,
        ),
        ShownCounter(
            "keepline_alert_transitions",
            "What happened to alerts.",
            lambda: {what.value: count for what, count in alerts.transitions.items()},
            label="what",
            values=tuple(what.value for what in alerts.transitions),
        ),
        ShownCounter(
            "keepline_alerts_refused",
            "Alerts for which there was no room.",
            lambda: alerts.book.refused,
        ),
        ShownCounter(
            "keepline_alert_delivery_tries",
            "Requests that were made to the web server that is told of alerts.",
            lambda: deliveries.tries,
        ),
        ShownCounter(
            "keepline_alerts_delivered",
            "Notices of alerts that the web server took.",
            lambda: deliveries.delivered,
        ),
        ShownCounter(
            "keepline_alerts_undelivered",
            "Notices of alerts that the web server was never told.",
            lambda: deliveries.dropped,
        ),
    )
