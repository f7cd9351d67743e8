from __future__ import annotations

import json

import pytest

from keepline.monitor.alerts.alert import Status, What
from keepline.monitor.notifiers.words import NO_TIME, PLACEHOLDERS, document, headline, texts_of
from tests.unit.monitor.notifiers.notices import AT, notice


def test_there_is_a_text_for_every_placeholder_and_no_other() -> None:
    assert tuple(texts_of(notice(), "gw-1")) == PLACEHOLDERS


def test_texts_say_what_limit_since_when_what_was_done_and_what_to_do() -> None:
    texts = texts_of(notice(), "gw-1")
    assert texts["headline"] == "Keepline gw-1: high, memory: 1,600 MB, the limit is 1,024 MB"
    assert (texts["value"], texts["limit"]) == ("1.6e+09", "1e+09")
    assert texts["since"] == "2027-01-15T08:00:00.000Z"
    assert texts["done"] == "idle buffers shrunk (-12 MB); new devices wait"
    assert texts["advice"] == "See what it is."
    assert texts["ends"] == NO_TIME
    assert texts_of(notice(actions=(), value=None), "gw-1")["done"] == "nothing"


@pytest.mark.parametrize("what", What)
def test_a_headline_says_what_happened(what: What) -> None:
    told = headline(notice(what, scope="Assistant"), "gw-1")
    assert told.endswith("(Assistant)")
    assert len({headline(notice(each), "gw-1") for each in What}) == len(What)


def test_the_end_is_a_time() -> None:
    over = notice(What.RESOLVED, status=Status.RESOLVED, resolved_at=AT + 61.5)
    assert texts_of(over, "gw-1")["ends"] == "2027-01-15T08:01:01.500Z"


def test_a_document_has_all_that_is_known() -> None:
    told = json.loads(document(notice(), "gw-1"))
    assert (told["what"], told["node"]) == ("opened", "gw-1")
    assert (told["alert"]["number"], told["alert"]["value"]) == (7, 1.6e9)
    assert told["alert"]["actions"][0]["effect"] == "-12 MB"
