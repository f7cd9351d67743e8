from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest

from keepline.errors import StartError
from keepline.hub.database import BUSY_TIMEOUT_S, Database
from keepline.hub.operations import NoteEvent, ReadEvents, SaveState, TakeClaim, Transaction
from keepline.hub.port import Claim, Outcome


class Fails:
    """An operation that does something and then raises."""

    size_bytes = 0

    def __init__(self, error: Exception) -> None:
        self._error = error

    def run(self, transaction: Transaction) -> object:
        transaction.execute("update counter set value = 1000000")
        raise self._error


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keepline.db"


def count(database: Database) -> int:
    [events] = database.apply([ReadEvents(0, 1_000, None)])
    assert isinstance(events, list)
    return len(events)


def test_what_was_committed_is_there_after_a_new_start(path: Path) -> None:
    first = Database(path)
    first.apply([TakeClaim("d", "n", "s1", 1.0), SaveState("d", "s1", 1.0, b"x")])
    # Not closed: as after SIGKILL.
    [claim] = Database(path).apply([TakeClaim("d", "n", "s2", 1.0)])
    assert claim == Claim("d", "s2", 2, Outcome.RESUMED, b"x")


def test_a_transaction_that_fails_leaves_nothing_of_itself(path: Path) -> None:
    database = Database(path)
    with pytest.raises(sqlite3.OperationalError):
        database.apply([NoteEvent(1.0, "d", "k", b""), Fails(sqlite3.OperationalError("disk"))])
    assert count(database) == 0
    [claim] = database.apply([TakeClaim("d", "n", "s", 1.0)])
    assert isinstance(claim, Claim)
    assert claim.number == 1


@pytest.mark.parametrize("error", [ValueError("ours"), sqlite3.IntegrityError("ours")])
def test_an_operation_that_can_never_succeed_fails_alone(path: Path, error: Exception) -> None:
    database = Database(path)
    noted, failed = database.apply([NoteEvent(1.0, "d", "k", b""), Fails(error)])
    assert noted is None
    assert failed is error
    assert count(database) == 1


def test_a_file_that_somebody_else_writes_is_locked_for_a_moment(path: Path) -> None:
    database = Database(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        database.apply([NoteEvent(1.0, "d", "k", b"")])
    other.execute("rollback")
    other.close()
    database.apply([NoteEvent(1.0, "d", "k", b"")])
    assert count(database) == 1


@pytest.mark.parametrize("path_of", [lambda path: path, lambda _: None])
def test_a_full_disk_fails_the_transaction_and_keeps_what_was_there(
    path: Path, path_of: object
) -> None:
    database = Database(path_of(path))  # type: ignore[operator]
    database.apply([NoteEvent(1.0, "d", "before", b"")])
    (pages,) = database._opened().execute("pragma page_count").fetchone()
    database._opened().execute(f"pragma max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        database.apply([NoteEvent(1.0, "d", "k", bytes(100_000))])
    assert count(database) == 1


def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_made(path: Path) -> None:
    path.write_bytes(b"this is a letter to my mother" * 100)
    database = Database(path)
    assert database.set_aside == path.with_name("keepline.db.broken-1")
    assert database.set_aside.read_bytes().startswith(b"this is a letter")
    assert count(database) == 0


def test_a_second_broken_file_does_not_replace_the_first(path: Path) -> None:
    for number in (1, 2):
        path.write_bytes(b"x" * 5_000 + bytes([number]))
        database = Database(path)
        database.close()
        assert database.set_aside == path.with_name(f"keepline.db.broken-{number}")


def test_a_file_that_breaks_while_it_is_open_is_replaced_by_the_next_try(path: Path) -> None:
    database = Database(path)
    database.apply([NoteEvent(1.0, "d", "k", bytes(50_000))])
    broken = sqlite3.DatabaseError("malformed")
    broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    with closing(sqlite3.connect(path)) as other:
        other.execute("select * from sqlite_master").fetchall()  # so its log is not written away
        with pytest.raises(sqlite3.DatabaseError):
            database.apply([Fails(broken)])
        assert count(database) == 0
        assert database.set_aside is not None
        assert database.set_aside.exists()
        assert Path(f"{database.set_aside}-wal").exists()


def test_a_new_file_that_cannot_be_opened_at_once_is_opened_by_a_later_try(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(path)
    broken = sqlite3.DatabaseError("malformed")
    broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    with pytest.raises(sqlite3.DatabaseError):
        database.apply([Fails(broken)])
    with monkeypatch.context() as full:
        full.setattr(os, "open", Mock(side_effect=OSError("no descriptors left")))
        with pytest.raises(OSError, match="descriptors"):
            count(database)
    assert count(database) == 0
    assert database.set_aside == path.with_name("keepline.db.broken-1")
    assert not path.with_name("keepline.db.broken-2").exists()


def test_a_file_of_a_newer_version_is_refused_and_stays(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 99")
    with pytest.raises(StartError, match="too new"):
        Database(path)
    assert path.exists()


def test_a_place_that_cannot_be_written_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot open"):
        Database(tmp_path / "nowhere" / "keepline.db")


def test_a_new_file_is_its_owners_alone(path: Path) -> None:
    Database(path)
    assert path.stat().st_mode & 0o777 == 0o600


_TABLES = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"


def test_a_file_that_another_process_writes_at_the_moment_is_opened_all_the_same(
    path: Path,
) -> None:
    Database(path).close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("pragma user_version = 0")  # so that there is something to be done
        tables = {table for (table,) in other.execute(_TABLES)}
        for table in tables:
            other.execute(f"drop table {table}")
        other.execute("begin immediate")
        ending = threading.Timer(3 * BUSY_TIMEOUT_S, other.execute, ["rollback"])
        ending.start()
        opened = Database(path)
        ending.join()
        assert opened.set_aside is None
        assert {table for (table,) in other.execute(_TABLES)} == tables
        opened.close()


def test_a_claim_that_can_never_be_written_fails_alone(path: Path) -> None:
    database = Database(path)
    taking = [TakeClaim(device_id, "n", "s", 1.0) for device_id in ("a", "\ud800", "b")]
    first, failed, last = database.apply(taking)
    assert isinstance(failed, UnicodeEncodeError)
    assert isinstance(first, Claim)
    assert isinstance(last, Claim)
    assert (first.device_id, last.device_id) == ("a", "b")
    assert first.number < last.number


def test_what_is_dropped_is_counted_once_however_often_its_transaction_is_tried(path: Path) -> None:
    database = Database(path)
    bad = NoteEvent(1.0, "\ud800", "k", b"")
    with pytest.raises(sqlite3.OperationalError):
        database.apply([bad, ReadEvents(0, 1, None), Fails(sqlite3.OperationalError("disk"))])
    assert database.dropped == 0
    database.apply([bad, NoteEvent(1.0, "d", "k", b"")])
    assert database.dropped == 1
    assert isinstance(database.dropped_because, UnicodeEncodeError)
    assert count(database) == 1
