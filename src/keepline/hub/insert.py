"""Many rows in few statements: after each the thread may have to wait for the interpreter."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

TOGETHER: Final = (32, 8, 1)
"""So many rows are in one statement, as long as there are as many."""


class Insert:
    """Inserts rows into a table; `then` says what is done about those that are there."""

    def __init__(self, table: str, columns: int, then: str = "") -> None:
        row = f"({', '.join('?' * columns)})"
        self._statements = [
            (size, f"insert into {table} values {', '.join([row] * size)} {then}")  # noqa: S608
            for size in TOGETHER
        ]

    def write(self, connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert all, in order."""
        first = 0
        for size, statement in self._statements:
            while len(rows) - first >= size:
                values = chain.from_iterable(rows[first : first + size])
                connection.execute(statement, tuple(values))
                first += size
