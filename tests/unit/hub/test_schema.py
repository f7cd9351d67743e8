from __future__ import annotations

import re
import sqlite3

import pytest

from keepline.hub.schema import STEPS, NewerFileError, migrate


def test_an_empty_file_gets_every_table() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    tables = {
        name
        for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
    }
    assert {"counter", "own", "state", "event"} <= tables
    assert connection.execute("pragma user_version").fetchone() == (len(STEPS),)


def test_a_file_that_is_up_to_date_is_left_alone() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    connection.execute("update counter set value = 7")
    migrate(connection)
    assert connection.execute("select value from counter").fetchone() == (7,)


def test_a_file_of_a_newer_version_is_not_touched() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(f"pragma user_version = {len(STEPS) + 1}")
    with pytest.raises(NewerFileError, match=f"step {len(STEPS) + 1}"):
        migrate(connection)


def test_no_step_takes_away_what_the_version_before_it_uses() -> None:
    """In an upgrade that one writes to the newer file until it has left."""
    takes_away = re.compile(r"\b(drop|rename|delete|alter column)\b", re.IGNORECASE)
    assert [step for step in STEPS if takes_away.search(step)] == []
