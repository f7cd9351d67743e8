"""Rules and configuration for Prometheus: they name what is there, say what to do, and hold."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.expressions import by_series, named_in, wrong_labels
from tests.house.sources import ROOT
from tools import promtool

DEPLOY = ROOT / "deploy" / "prometheus"
CONFIGURATION = DEPLOY / "prometheus.yml"
RULES = DEPLOY / "keepline.rules.yml"
RULES_TEST = Path(__file__).parent / "keepline_rules_test.yml"
CHECKER = promtool.find()

with_promtool = pytest.mark.skipif(
    CHECKER is None, reason="no promtool: python -m tools.promtool gets it on Debian"
)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def check(*arguments: str | Path) -> str:
    assert CHECKER is not None
    done = subprocess.run(
        [CHECKER, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_series_that_a_rule_names_is_exposed_or_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        assert named_in(rule["expr"]) - recorded <= set(by_series()), rule
        assert wrong_labels(rule["expr"]) == [], rule


def test_a_rule_that_names_what_is_not_there_would_be_found() -> None:
    assert named_in("rate(keepline_nothing_total[5m]) > up") - set(by_series())
    assert wrong_labels('keepline_drain_phase{phase="gone"}')
    assert wrong_labels('keepline_sessions{state="idle"}')


def test_every_recorded_series_is_named_by_level_metric_and_operation() -> None:
    for rule in rules():
        if "record" in rule:
            assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", rule["record"]), rule


def test_every_alert_says_what_it_is_what_that_means_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names) > 15
    for rule in alerts():
        assert rule["alert"].startswith("Keepline")
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule
        assert set(rule["annotations"]) == {"summary", "description", "action"}, rule


def test_every_command_that_an_alert_gives_is_one_of_ours() -> None:
    text = RULES.read_text("utf-8")
    given = set(re.findall(r"`keepline (\w+)", text))
    listed = (ROOT / "docs" / "operating.md").read_text("utf-8")
    listed += (ROOT / "docs" / "relay.md").read_text("utf-8")
    assert given
    assert [command for command in given if f"keepline {command}" not in listed] == []
    assert [page for page in re.findall(r"docs/\w+\.md", text) if not (ROOT / page).exists()] == []


def test_every_alert_is_tried_on_series_that_are_made_up() -> None:
    tried = RULES_TEST.read_text("utf-8")
    untried = [rule["alert"] for rule in alerts() if not _is_in(rule["alert"], tried)]
    assert untried == []


def _is_in(alert: str, text: str) -> bool:
    if alert in text:
        return True
    patterns = re.findall(r'alertname=~"([^"]+)"', text)
    return any(re.fullmatch(pattern, alert) for pattern in patterns)


def test_the_configuration_loads_the_rules_and_scrapes_the_default_port() -> None:
    document = yaml.safe_load(CONFIGURATION.read_text("utf-8"))
    assert document["rule_files"] == [RULES.name]
    [job] = document["scrape_configs"]
    assert job["job_name"] == "keepline"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8001"]}]
    assert "metrics_path" not in job


@with_promtool
def test_promtool_accepts_configuration_and_rules() -> None:
    assert "SUCCESS" in check("check", "config", CONFIGURATION)


@with_promtool
def test_rules_fire_when_they_should_and_else_not() -> None:
    assert "SUCCESS" in check("test", "rules", RULES_TEST)
