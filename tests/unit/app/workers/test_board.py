from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keepline.app.workers.board import Board


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[tuple[Board, Board]]:
    """Give the same board as two processes have it."""
    both = Board(tmp_path / "board", 4), Board(tmp_path / "board", 4)
    yield both
    for board in both:
        board.close()


def test_what_one_writes_all_read(boards: tuple[Board, Board]) -> None:
    ours, theirs = boards
    assert ours.least() is None
    theirs.put(2, 7, takes=True)
    theirs.put(3, 0, takes=True)
    assert ours.least() == 0
    assert ours.count(2) == 7


def test_who_takes_nobody_is_counted_and_not_waited_for(boards: tuple[Board, Board]) -> None:
    ours, theirs = boards
    theirs.put(1, 0, takes=False)
    theirs.put(2, 5, takes=False)
    ours.put(3, 9, takes=True)
    assert ours.least() == 9
    assert (ours.count(1), ours.count(2)) == (0, 5)


def test_of_a_worker_that_is_gone_nothing_is_left(boards: tuple[Board, Board]) -> None:
    ours, theirs = boards
    theirs.put(2, 7, takes=True)
    ours.clear(2)
    assert (theirs.least(), theirs.count(2)) == (None, 0)


def test_who_opens_it_later_changes_nothing(boards: tuple[Board, Board], tmp_path: Path) -> None:
    boards[0].put(1, 3, takes=True)
    late = Board(tmp_path / "board", 4)
    assert late.least() == 3
    late.close()
