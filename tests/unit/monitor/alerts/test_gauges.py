from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from keepline.clock import ManualClock
from keepline.monitor.alerts.alert import Problem, What
from keepline.monitor.alerts.alerts import Alerts
from keepline.monitor.alerts.book import Book
from keepline.monitor.alerts.gauges import gauges_of
from keepline.monitor.exposition import Metrics
from keepline.monitor.findings import Severity
from keepline.monitor.metrics import Counters, Deliveries
from keepline.settings.alerts import Alerts as Settings

WALL = 1_000.0


def shown(book: Book) -> dict[str, Any]:
    alerts = SimpleNamespace(book=book, transitions=dict.fromkeys(What, 2))
    gauges = gauges_of(cast("Alerts", alerts), Deliveries(), ManualClock(wall=WALL + 60))
    return {each.name: each.read() for each in gauges}


def test_open_alerts_and_the_age_of_the_oldest_are_by_severity() -> None:
    book = Book(Settings())
    assert shown(book)["keepline_alerts_open"] == {"medium": 0, "high": 0}
    assert shown(book)["keepline_alerts_oldest_age_seconds"] == {"medium": 0, "high": 0}
    older = Problem("memory_bytes", "trend", Severity.HIGH, "grows")
    newer = Problem("memory_bytes", "threshold", Severity.HIGH, "much")
    book.see(0.0, WALL, [older])
    book.see(20.0, WALL + 20, [older, newer])
    assert shown(book)["keepline_alerts_open"] == {"medium": 0, "high": 2}
    assert shown(book)["keepline_alerts_oldest_age_seconds"] == {"medium": 0, "high": 60}


def test_labels_are_closed_lists_from_the_first_moment_on() -> None:
    assert set(shown(Book(Settings()))["keepline_alert_transitions"]) == {*What}


async def test_a_scrape_has_them() -> None:
    alerts = SimpleNamespace(book=Book(Settings()), transitions=dict.fromkeys(What, 0))
    gauges = gauges_of(cast("Alerts", alerts), Deliveries(), ManualClock())
    page = (await Metrics(Counters(), gauges, version="1").text()).decode()
    assert 'keepline_alerts_open{severity="high"} 0.0' in page
    assert 'keepline_alert_transitions_total{what="opened"} 0.0' in page
