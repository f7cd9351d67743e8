"""The page says what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepline.lifecycle.states import TABLE
from tools import lifecycle_page

EMPTY = "\n".join(
    f"<!-- begin {name}: generated -->\nold\n<!-- end {name} -->" for name in lifecycle_page.PARTS
)


def test_the_page_is_fresh() -> None:
    assert lifecycle_page.main(["--check"]) == 0, "see the command in docs/lifecycle.md"


def test_a_stale_page_is_told_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(EMPTY)
    assert lifecycle_page.main(["--check"], page) == 1
    assert "stale" in capsys.readouterr().err
    assert page.read_text() == EMPTY


def test_a_stale_page_is_renewed_between_its_markers_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{EMPTY}\nafter\n")
    assert lifecycle_page.main([], page) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert lifecycle_page.main(["--check"], page) == 0


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="begin state diagram"):
        lifecycle_page.renew("no markers")


def test_the_diagram_draws_every_change_of_state_once() -> None:
    text = lifecycle_page.state_diagram()
    for state, rows in TABLE.items():
        for row in rows.values():
            drawn = text.count(f"    {state} --> {row.next} : ")
            assert drawn == (0 if row.next is state else 1)


def test_the_table_has_every_row() -> None:
    rows = sum(len(rows) for rows in TABLE.values())
    assert len(lifecycle_page.transition_table().splitlines()) == 2 + rows
