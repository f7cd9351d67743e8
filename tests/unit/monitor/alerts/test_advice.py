from __future__ import annotations

from keepline.monitor.alerts.advice import ADVICE, advice_for
from keepline.monitor.alerts.alert import INCIDENT
from keepline.monitor.alerts.incidents import Incident
from keepline.monitor.findings import Kind
from keepline.monitor.rules.rulebook import GROWING, LIMITED
from keepline.monitor.rules.watched import WATCHED


def test_there_is_advice_for_whatever_an_alert_can_be_about() -> None:
    of_rules = {
        *((gauge, Kind.THRESHOLD) for gauge in LIMITED),
        *((gauge, Kind.TREND) for gauge in GROWING),
        *((gauge, Kind.ANOMALY) for gauge in WATCHED),
    }
    assert set(ADVICE) == of_rules | {(each, INCIDENT) for each in Incident}
    assert all(len(text) > 40 for text in ADVICE.values())


def test_what_nobody_has_written_about_has_no_advice() -> None:
    assert advice_for("memory_bytes", "threshold").startswith("See what it is")
    assert advice_for("memory_bytes", "weather") == ""
