from __future__ import annotations

from pathlib import Path

import pytest

from keepline.errors import StartError
from keepline.hub.backup import back_up, copy_file
from keepline.hub.database import Database
from keepline.hub.operations import NoteEvent, ReadEvents


def test_a_copy_holds_what_was_committed_and_opens_by_itself(tmp_path: Path) -> None:
    database = Database(tmp_path / "keepline.db")
    database.apply([NoteEvent(1.0, "d", "k", b"")])
    size_bytes = back_up(tmp_path / "keepline.db", tmp_path / "copy.db")
    database.apply([NoteEvent(1.0, "d", "later", b"")])
    assert size_bytes == (tmp_path / "copy.db").stat().st_size
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    [events] = Database(tmp_path / "copy.db").apply([ReadEvents(0, 10, None)])
    assert isinstance(events, list)
    assert [event.kind for event in events] == ["k"]


def test_an_older_copy_is_never_written_over(tmp_path: Path) -> None:
    Database(tmp_path / "keepline.db")
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(StartError, match="exists already"):
        back_up(tmp_path / "keepline.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_what_leads_elsewhere_is_neither_followed_nor_removed(tmp_path: Path) -> None:
    Database(tmp_path / "keepline.db")
    (tmp_path / "copy.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError, match="exists already"):
        back_up(tmp_path / "keepline.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_no_database_leaves_no_half_of_a_copy(tmp_path: Path) -> None:
    (tmp_path / "keepline.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(StartError, match="could not be copied"):
        back_up(tmp_path / "keepline.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_source_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StartError):
        back_up(tmp_path / "keepline.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_copied_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "token.keys").write_bytes(b"a key")
    assert copy_file(tmp_path / "token.keys", tmp_path / "copy") == 5
    assert (tmp_path / "copy").read_bytes() == b"a key"
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600


def test_an_older_copy_of_a_file_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "token.keys").write_bytes(b"a key")
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(StartError, match="exists already"):
        copy_file(tmp_path / "token.keys", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"


def test_a_file_that_cannot_be_read_leaves_no_half_of_a_copy(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="could not be copied"):
        copy_file(tmp_path / "token.keys", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
