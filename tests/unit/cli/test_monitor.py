"""`keepline monitor`, against answers in the shape of the interface's own."""

from __future__ import annotations

import json
from threading import Event
from typing import Any

import pytest

from keepline.cli import monitor
from keepline.cli.monitor import ROWS
from keepline.monitor.gauges import GAUGES
from tests.unit.cli.command_line import typed

SUMMARY: dict[str, Any] = {
    "at": "2026-11-25T15:04:45Z",
    "interval_s": 5.0,
    "samples": 60,
    "samples_missed": 0,
    "latest": {gauge.value: 3.0 for gauge in GAUGES} | {"rtt_p50_s": None},
    "averages": {gauge.value: 2.0 for gauge in GAUGES},
    "thresholds": {"connections": 1_000.0, "memory_bytes": 1.0},
    "endings": [{"initiator": "device", "cause": "device_closed", "total": 41, "lately": 7}],
    "unattributed": 0.004,
    "series_bytes": 1,
}


class Interface:
    """Answers what it is told to; a third summary is asked of nobody."""

    def __init__(self) -> None:
        self.summary = SUMMARY
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str, **query: Any) -> Any:
        self.asked.append((path, query))
        if path == "/api/monitor/summary":
            return self.summary
        span = {"start": 0.0, "step_s": 90.0, "mean": [0.0, None, 7.0]}
        return {"series": dict.fromkeys(query["gauge"], span)}

    def times(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)


@pytest.fixture
def interface(monkeypatch: pytest.MonkeyPatch) -> Interface:
    made = Interface()
    monkeypatch.setattr(monitor, "connect", lambda *_: made)

    def wait(self: Event, timeout: float) -> None:
        assert timeout == 5.0
        if made.times("/api/monitor/summary") == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Event, "wait", wait)
    return made


def row(shown: str, name: str) -> list[str]:
    [line] = [line for line in shown.splitlines() if line.startswith(name)]
    return line.removeprefix(name).split()


def test_every_row_is_of_a_gauge_that_there_is() -> None:
    known = {gauge.value for gauge in GAUGES}
    assert {gauge for _, gauge, _ in ROWS} | {limit for *_, limit in ROWS if limit} <= known


def test_gauges_are_shown_with_their_average_their_limit_and_their_past(
    interface: Interface,
) -> None:
    status, shown, _ = typed("monitor")
    assert status == 0
    assert row(shown, "connections") == ["3", "2", "1000", "▁", "█"]
    assert row(shown, "memory  ")[:6] == ["3", "B", "2", "B", "1", "B"]
    assert row(shown, "descriptors") == ["3", "2", "3", "▁", "█"]
    assert row(shown, "round trip, p50") == ["-", "2", "s", "▁", "█"]
    assert "mean of 5 min" in shown.splitlines()[0]
    assert len(interface.asked) == 2


def test_who_ended_what_is_shown_and_how_much_of_it_nobody_knows(interface: Interface) -> None:
    shown = typed("monitor")[1]
    assert row(shown, "device ") == ["device_closed", "41", "7"]
    assert "0.4 % of all ended for no known cause" in shown
    interface.summary = SUMMARY | {"endings": [], "unattributed": None}
    assert "ended" not in typed("monitor")[1]


def test_before_the_first_sample_it_says_so(interface: Interface) -> None:
    interface.summary = SUMMARY | {"at": None}
    assert "not looked at itself yet" in typed("monitor")[1]


def test_as_json_it_is_the_summary(interface: Interface) -> None:
    assert json.loads(typed("monitor", "--json")[1]) == SUMMARY


def test_who_watches_sees_it_anew_with_each_sample(interface: Interface) -> None:
    _, shown, _ = typed("monitor", "--watch", "--json")
    assert [json.loads(line) for line in shown.splitlines()] == [SUMMARY, SUMMARY]
    interface.asked.clear()
    typed("monitor", "--watch")
    assert interface.times("/api/monitor/summary") == interface.times("/api/monitor/series") == 2
