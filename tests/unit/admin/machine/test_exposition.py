"""Several scrapes as one."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from keepline.admin.machine.exposition import labelled

ONE = """\
# HELP keepline_sessions Live sessions.
# TYPE keepline_sessions gauge
keepline_sessions 3.0
# HELP keepline_disconnects_total How connections ended.
# TYPE keepline_disconnects_total counter
keepline_disconnects_total{cause="a b",initiator="us"} 1.0
"""
OTHER = ONE.replace("3.0", "4.0")


def test_each_series_says_whose_it_is_and_each_family_stands_once() -> None:
    text = labelled({1: ONE, 2: OTHER}, [1, 2])
    families = {each.name: each for each in text_string_to_metric_families(text)}
    sessions = families["keepline_sessions"]
    assert [(each.labels["worker"], each.value) for each in sessions.samples] == [
        ("1", 3.0),
        ("2", 4.0),
    ]
    ended = families["keepline_disconnects"].samples
    assert ended[0].labels == {"worker": "1", "cause": "a b", "initiator": "us"}
    assert text.count("# TYPE keepline_sessions gauge") == 1


def test_who_does_not_answer_is_down() -> None:
    families = text_string_to_metric_families(labelled({2: ONE}, [1, 2]))
    up = next(each for each in families if each.name == "keepline_worker_up")
    assert {each.labels["worker"]: each.value for each in up.samples} == {"1": 0.0, "2": 1.0}
