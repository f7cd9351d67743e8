from __future__ import annotations

import sqlite3

import pytest

from keepline.hub.failures import is_broken, is_of_all


@pytest.mark.parametrize(
    ("code", "broken"),
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_CORRUPT | (1 << 8), True),
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_FULL, False),
    ],
)
def test_only_a_damaged_file_is_broken(code: int, broken: bool) -> None:  # noqa: FBT001
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    assert is_broken(error) is broken


def test_what_is_wrong_with_a_row_is_not_wrong_with_all() -> None:
    damaged = sqlite3.DatabaseError("x")
    damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    assert is_of_all(damaged)
    assert is_of_all(sqlite3.OperationalError("disk is full"))
    for error in (sqlite3.IntegrityError("x"), OverflowError("x"), sqlite3.DataError("x")):
        assert not is_of_all(error)
