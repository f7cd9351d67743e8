"""The list of series: every one has its place there, a conventional name, and labels of its own."""

from __future__ import annotations

import asyncio
import re
import subprocess

import pytest

from tests.deploy.expressions import by_series
from tests.deploy.test_prometheus import CHECKER, with_promtool
from tests.house.sources import ROOT
from tools import metrics_page
from tools.metrics_page import families
from tools.metrics_uses import PARTS

# The values of these come from the settings (64 at most), and from the classes of the program.
OPEN = {"upstream", "handler", "worker"}
TYPES = {"counter", "gauge", "histogram", "summary", "info"}
UNITS_THAT_ARE_NOT = ("_ms", "_milliseconds", "_minutes", "_kb", "_mb", "_percent", "_us")


def test_every_series_stands_on_the_page_once_with_its_use() -> None:
    uses = [name for part in PARTS.values() for name in part]
    assert sorted(uses) == sorted(families())
    assert all(f"| `{name}` |" in metrics_page.print_tables() for name in uses)


def test_a_series_without_a_use_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PARTS["Hub, log, webhook"], "keepline_hub_up")
    with pytest.raises(KeyError, match="keepline_hub_up"):
        metrics_page.print_tables()


def test_every_name_has_its_base_unit_and_no_type() -> None:
    for family in families().values():
        assert re.fullmatch(r"(keepline|process)_[a-z][a-z_]*", family.name), family
        assert not TYPES & set(family.name.split("_")), family
        assert not family.name.endswith(UNITS_THAT_ARE_NOT), family
        assert family.type != "histogram" or family.name.endswith("_seconds"), family
        assert family.help.endswith("."), family


def test_every_value_that_a_label_can_have_is_in_a_closed_list() -> None:
    """So nothing that a peer says, and nobody's address, can become a series."""
    for family in families().values():
        for label, values in family.labels.items():
            assert bool(values) != (label in OPEN), (family.name, label)
            assert all(re.fullmatch(r"[a-z0-9_]+", value) for value in values), family


def test_a_gateway_with_every_closed_label_has_a_few_hundred_series() -> None:
    count = 0
    for family in families().values():
        combinations = 1
        for values in family.labels.values():
            combinations *= max(1, len(values))
        count += combinations
    # Disconnects and refusals have each cause with one initiator or status alone.
    assert count < 1_200


def test_every_series_that_a_document_names_is_there() -> None:
    there = set(by_series()) | {family.name for family in families().values()}
    wrong = []
    for page in (ROOT / "docs").glob("*.md"):
        named = set(
            re.findall(r"`((?:keepline|process)_[a-z_]+)(?:\{[^`]*)?`", page.read_text("utf-8"))
        )
        wrong += [f"{page.name}: {name}" for name in named - there]
    assert wrong == []


@with_promtool
def test_promtool_has_nothing_to_say_about_names_and_help() -> None:
    assert CHECKER is not None
    page = asyncio.run(metrics_page.exposition())
    done = subprocess.run(
        [CHECKER, "check", "metrics"], input=page, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
