"""Many rows in few statements: after each the thread may have to wait for the interpreter."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from keepline.hub.failures import is_of_all

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

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
        for statement, some in self._together(rows):
            connection.execute(statement, tuple(chain.from_iterable(some)))

    def write_possible(
        self,
        connection: sqlite3.Connection,
        rows: Sequence[tuple[object, ...]],
        on_bad: Callable[[Exception], object],
    ) -> None:
        """Insert all, in order, but those that can never be written; `on_bad` is told why."""
        for statement, some in self._together(rows):
            try:
                connection.execute(statement, tuple(chain.from_iterable(some)))
            except Exception as error:
                if is_of_all(error):
                    raise
                if len(some) > 1:
                    for row in some:
                        self.write_possible(connection, [row], on_bad)
                else:
                    error.__traceback__ = None  # it is handed to another thread
                    on_bad(error)

    def _together(
        self, rows: Sequence[tuple[object, ...]]
    ) -> Iterator[tuple[str, Sequence[tuple[object, ...]]]]:
        first = 0
        for size, statement in self._statements:
            while len(rows) - first >= size:
                yield statement, rows[first : first + size]
                first += size
