"""Rows in columns that are as wide as they have to be: an id that is cut is of no use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.log import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def in_columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a line for the head and one for each row; all have as many cells."""
    cells = [tuple(map(clean, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
