"""The dashboard: it shows what is there, and can be loaded anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.deploy.expressions import by_series, named_in, wrong_labels
from tests.deploy.test_prometheus import check, with_promtool
from tests.house.sources import ROOT

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "keepline.json").read_text("utf-8"))
UNITS = {"short", "ops", "s", "bytes", "Bps", "percentunit"}
MADE_BY_PROMETHEUS = "ALERTS"
# Of what has a page or a command of its own, or is the same as what is shown.
NOT_SHOWN = {
    "keepline_activations_begun_total",
    "keepline_alert_delivery_tries_total",
    "keepline_alert_transitions_total",
    "keepline_alerts_delivered_total",
    "keepline_auth_callback_failures_total",
    "keepline_auth_callbacks_total",
    "keepline_build_info",
    "keepline_cleanup_failures_total",
    "keepline_cleanups",
    "keepline_closes_confirmed_total",
    "keepline_closes_timed_out_total",
    "keepline_configurations_answered_total",
    "keepline_connections_accepted_total",
    "keepline_deadlines",
    "keepline_enrolled_devices",
    "keepline_enrolment_codes_refused_total",
    "keepline_enrolment_proofs_refused_total",
    "keepline_enrolments_total",
    "keepline_frames_received_total",
    "keepline_frames_sent_total",
    "keepline_governed_devices_total",
    "keepline_governor_begun_total",
    "keepline_governor_forced",
    "keepline_handler_failures_total",
    "keepline_handler_suspended_addresses",
    "keepline_handler_suspensions_total",
    "keepline_holds_total",
    "keepline_judging",
    "keepline_judging_limit",
    "keepline_loop_stalls_total",
    "keepline_mass_suspicions_total",
    "keepline_memory_proportional_bytes",
    "keepline_newcomers_per_turn",
    "keepline_peers_held_back_total",
    "keepline_pings_received_total",
    "keepline_samples_missed_total",
    "keepline_takeovers_total",
    "keepline_upstream_connecting",
    "keepline_upstream_connects_total",
    "keepline_upstream_draining",
    "keepline_waiting_devices",
    "keepline_webhook_events_delivered_total",
    "keepline_webhook_tries_total",
    "keepline_worker_up",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
}


def panels() -> list[dict[str, Any]]:
    """Return every picture, also those in rows that are folded."""
    found: list[dict[str, Any]] = []
    for panel in DASHBOARD["panels"]:
        found += panel["panels"] if panel["type"] == "row" else [panel]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_every_series_that_a_panel_names_is_exposed_with_those_labels() -> None:
    for title, expression in expressions():
        named = named_in(expression)
        assert named or MADE_BY_PROMETHEUS in expression, title
        assert named <= set(by_series()), title
        assert wrong_labels(expression) == [], title


def test_what_is_exposed_is_shown_or_said_to_be_elsewhere() -> None:
    shown = {by_series()[name].shown for _, each in expressions() for name in named_in(each)}
    there = {family.shown for family in by_series().values()}
    assert there - shown - NOT_SHOWN == set()
    assert shown & NOT_SHOWN == set()


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    assert len(panels()) > 40
    for panel in panels():
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["title"]


def test_every_panel_is_of_the_chosen_gateways_and_the_chosen_source() -> None:
    variables = [each["name"] for each in DASHBOARD["templating"]["list"]]
    assert variables == ["datasource", "job", "instance"]
    for title, expression in expressions():
        if MADE_BY_PROMETHEUS not in expression:
            assert expression.count("{") == expression.count('instance=~"$instance"'), title
    for uid in _all("uid", DASHBOARD):
        assert uid in {"keepline", "${datasource}"}
    assert "__inputs" not in DASHBOARD


def _all(key: str, document: Any) -> Iterator[Any]:
    if isinstance(document, dict):
        for name, value in document.items():
            if name == key:
                yield value
            yield from _all(key, value)
    elif isinstance(document, list):
        for each in document:
            yield from _all(key, each)


def test_panels_have_numbers_of_their_own_and_do_not_lie_on_one_another() -> None:
    everything = [*DASHBOARD["panels"], *panels()]
    numbers = {id(panel): panel["id"] for panel in everything}
    assert len(set(numbers.values())) == len(numbers)
    for first, second in combinations(DASHBOARD["panels"], 2):
        one, other = first["gridPos"], second["gridPos"]
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (first["title"], second["title"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in everything)


@with_promtool
def test_promtool_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": each.replace("$__rate_interval", "1m")}
        for number, (_, each) in enumerate(expressions())
    ]
    page = tmp_path / "panels.yml"
    page.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    assert f"{len(rules)} rules found" in check("check", "rules", page)
