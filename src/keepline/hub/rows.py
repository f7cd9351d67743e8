"""What the store is asked about the rows of a node's series."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keepline.hub.port import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keepline.hub.operations import Transaction


class KeepRows(NamedTuple):
    """Write rows down, and forget what is outside `kept`: the first and last number by step."""

    rows: Sequence[Row]
    kept: Mapping[float, tuple[int, int]]

    @property
    def size_bytes(self) -> int:
        return 200 + sum(100 + len(row.data) for row in self.rows)

    def run(self, transaction: Transaction) -> None:
        for row in self.rows:
            transaction.execute("insert or replace into series values (?, ?, ?)", row)
        for step_s, (first, last) in self.kept.items():
            transaction.execute(
                "delete from series where step_s = ? and (number < ? or number > ?)",
                (step_s, first, last),
            )
        marks = ", ".join("?" * len(self.kept))
        transaction.execute(
            f"delete from series where step_s not in ({marks})",  # noqa: S608 (marks alone)
            tuple(self.kept),
        )


class ReadRows(NamedTuple):
    """Read all rows, of each step in the order of their numbers."""

    size_bytes: int = 200

    def run(self, transaction: Transaction) -> list[Row]:
        rows = transaction.execute("select step_s, number, data from series order by 1, 2")
        return [Row(*row) for row in rows]
