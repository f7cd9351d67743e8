from __future__ import annotations

from keepline.hub.database import Database
from keepline.hub.port import Row
from keepline.hub.rows import KeepRows, ReadRows

ROWS = [Row(5.0, number, bytes([number])) for number in range(4)]


def kept_by(*operations: KeepRows) -> list[object]:
    database = Database(None)
    *_, found = database.apply([*operations, ReadRows()])
    database.close()
    assert isinstance(found, list)
    return found


def test_rows_come_back_by_step_and_number() -> None:
    rows = [Row(60.0, 1, b"minute"), *reversed(ROWS)]
    assert kept_by(KeepRows(rows, {5.0: (0, 9), 60.0: (0, 9)})) == [*ROWS, rows[0]]


def test_what_is_outside_of_what_is_kept_goes_also_without_a_new_row() -> None:
    keep = KeepRows(ROWS, {5.0: (0, 9)})
    assert kept_by(keep, KeepRows([], {5.0: (1, 2)})) == ROWS[1:3]
    assert kept_by(keep, KeepRows([], {7.0: (0, 9)})) == []


def test_a_row_waits_with_its_bytes() -> None:
    small, large = KeepRows(ROWS, {}), KeepRows([Row(5.0, 1, bytes(1_000))], {})
    assert large.size_bytes - KeepRows([], {}).size_bytes >= 1_000
    assert small.size_bytes > KeepRows(ROWS[:1], {}).size_bytes
