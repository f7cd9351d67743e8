from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from keepline.hub.insert import TOGETHER, Insert

LARGEST, *_ = TOGETHER


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, LARGEST - 1, LARGEST, 2 * LARGEST + 17])
def test_every_row_is_inserted_once_and_in_order(count: int) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table seen (number integer, word text)")
        rows = [(number, f"word {number}") for number in range(count)]
        Insert("seen", 2).write(connection, rows)
        assert connection.execute("select * from seen order by rowid").fetchall() == rows


def test_rows_of_one_statement_meet_each_other_as_rows_of_several_do() -> None:
    counted = Insert("counted", 2, "on conflict do update set times = times + excluded.times")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table counted (word text primary key, times integer)")
        counted.write(connection, [("a", 1)] * LARGEST + [("b", 2), ("a", 3)])
        assert connection.execute("select * from counted").fetchall() == [
            ("a", LARGEST + 3),
            ("b", 2),
        ]


def test_few_rows_take_few_statements() -> None:
    seen: list[str] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("create table seen (number integer)")
        connection.set_trace_callback(seen.append)
        Insert("seen", 1).write(connection, [(number,) for number in range(LARGEST + 9)])
    assert len(seen) == 3


def test_a_row_that_cannot_be_written_is_left_out_and_told() -> None:
    seen = Insert("seen", 1)
    rows = [(number,) for number in range(LARGEST + 9)]
    bad = {3, LARGEST + 1, LARGEST + 8}
    told: list[Exception] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("create table seen (number integer not null)")
        given = [(None,) if number in bad else (number,) for (number,) in rows]
        seen.write_possible(connection, given, told.append)
        found = connection.execute("select number from seen order by rowid").fetchall()
    assert found == [row for row in rows if row[0] not in bad]
    assert [type(error) for error in told] == [sqlite3.IntegrityError] * 3


def test_an_error_of_the_store_is_nobodys_row() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        nowhere = Insert("nowhere", 1)
        told: list[Exception] = []
        with pytest.raises(sqlite3.OperationalError):
            nowhere.write_possible(connection, [(1,)] * LARGEST, told.append)
    assert told == []
