"""The page of endings has every reason, once, with what the code says of it."""

from __future__ import annotations

import re

import pytest

from keepline.cli.known import known_settings
from keepline.reasons import CloseReason
from tools import endings_page


def test_the_page_is_fresh() -> None:
    assert endings_page.main(["--check"]) == 0, "python -m tools.endings_page"


def test_every_reason_has_its_meaning_in_the_order_of_the_list() -> None:
    assert list(endings_page.MEANINGS) == list(CloseReason)


@pytest.mark.parametrize("reason", CloseReason, ids=lambda reason: reason.cause)
def test_a_reason_stands_in_one_table_with_its_number(reason: CloseReason) -> None:
    tables = endings_page.table_of_endings(), endings_page.table_of_refusals()
    rows = [
        row
        for table in tables
        for row in table.splitlines()
        if row.startswith(f"| `{reason.cause}` |")
    ]
    [row] = rows
    assert str(reason.status or reason.code or "-") in row


def test_the_settings_that_the_page_names_are_there() -> None:
    text = endings_page.PAGE.read_text("utf-8")
    known = known_settings()
    sections = {name.partition(".")[0] for name in known}
    named = re.findall(r"`([a-z]+)\.([a-z_]+)`", text)
    missing = [
        f"{section}.{key}"
        for section, key in named
        if section in sections and f"{section}.{key}" not in known
    ]
    assert missing == []
    assert len(named) > 10
