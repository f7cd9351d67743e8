from __future__ import annotations

import pytest

from keepline.cli.columns import in_columns


def test_a_column_is_as_wide_as_its_widest_cell_and_no_line_ends_in_blanks() -> None:
    assert in_columns(("who", "step"), [("a-long-id", "delayed"), ("b", "")]) == [
        "who        step",
        "a-long-id  delayed",
        "b",
    ]


def test_what_would_move_the_cursor_is_made_visible_and_counted_as_it_is_shown() -> None:
    [_, line, _] = in_columns(("", "x"), [("\x1b[2J", "1"), ("a", "2")])
    assert "\x1b" not in line
    assert line.endswith("  1")


def test_a_row_with_a_cell_too_few_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        in_columns(("a", "b"), [("1",)])
