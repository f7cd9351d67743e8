"""Every word that the gateway says is one that the page has a name for."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from keepline.gateway.drain.plan import Wave
from keepline.gateway.drain.progress import Phase
from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.signals import Signal
from keepline.hub.port import Outcome
from keepline.lifecycle.heartbeat import Verdict
from keepline.lifecycle.states import Event, State
from keepline.monitor.alerts.advice import ADVICE
from keepline.monitor.alerts.alert import INCIDENT
from keepline.monitor.capacity.forecast import Resource
from keepline.monitor.findings import Kind, Severity
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.score import WEIGHTS
from keepline.reasons import Advice, CloseReason, Initiator
from tests.house.sources import ROOT

TEXT = ROOT / "dashboard" / "src" / "text"
SOURCES = ROOT / "dashboard" / "src"

# What a device is never told of: it was no device, or the request was no upgrade.
NOT_SHOWN = {"answered", "method_not_allowed", "body_too_large", "head_too_large"}


def names(block: str) -> set[str]:
    """Return the keys of one table in `en.ts`, whatever it is within."""
    text = (TEXT / "en.ts").read_text("utf-8")
    found = re.search(rf"\n\s*{block}: \{{(.*?)\}}", text, re.DOTALL)
    assert found is not None, block
    return set(re.findall(r"(\w+): \"", found[1]))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("parts", WEIGHTS),
        ("signals", Signal),
        ("actions", (each.word for each in Action)),
        ("resources", Resource),
        ("states", State),
        ("events", Event),
        ("verdicts", Verdict),
        ("initiators", Initiator),
        ("outcomes", Outcome),
        ("severities", Severity),
        ("kinds", (*Kind, INCIDENT)),
        ("phases", Phase),
        ("waves", Wave),
        ("advice", Advice),
        ("about", {about for about, _ in ADVICE}),
        ("causes", (each.cause for each in CloseReason)),
    ],
)
def test_every_word_that_the_gateway_says_has_a_name_on_the_page(
    block: str, words: Iterable[str]
) -> None:
    assert {str(word) for word in words} - names(block) <= NOT_SHOWN


def test_every_advice_is_there_in_chinese() -> None:
    text = (TEXT / "advice.ts").read_text("utf-8")
    translated = set(re.findall(r"^    \"(\w+ \w+)\":", text, re.MULTILINE))
    assert translated == {f"{about} {kind}" for about, kind in ADVICE}


def test_every_gauge_that_a_chart_shows_is_one_and_has_a_name() -> None:
    text = (SOURCES / "pages" / "Charts.svelte").read_text("utf-8")
    lists = re.findall(r"gauges: \[([^\]]+)\]", text)
    shown = {word for each in lists for word in re.findall(r"\"(\w+)\"", each)}
    assert len(shown) > 20
    assert shown <= {gauge.value for gauge in Gauge}
    assert shown <= names("gauges")
