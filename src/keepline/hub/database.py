"""The SQLite file, as the threads of the hub's executor use it; nothing here knows the loop.

Write-ahead log, `synchronous = normal`: what was committed survives the end of the process,
however it comes. A power cut can take the last commits, but never leaves half of one.
"""

from __future__ import annotations

import os
import sqlite3
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from keepline.errors import StartError
from keepline.hub.failures import is_broken, is_of_all
from keepline.hub.operations import NOTES, TakeClaim, Transaction, take_claims
from keepline.hub.schema import NewerFileError, migrate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.hub.operations import Operation

NOWHERE: Final = ""
"""A database of SQLite's own on the disk, gone when it is closed; its cache is bounded."""

OPENING_TIMEOUT_S: Final = 5.0  # another process may be writing: the one before us
BUSY_TIMEOUT_S: Final = 0.1  # the writer comes back by itself: waiting here would only hold it up
OWNER_ONLY: Final = 0o600  # it says who has which device, and what was said to it
_CACHE_KIB: Final = 512  # more is no faster with 15,000 devices


class Database:
    """One open file. Calls may come from any thread, one at a time."""

    def __init__(self, path: Path | None) -> None:
        """Open or make the file. Raises StartError with what to do.

        A file that is no database any more is set aside and told in `set_aside`.
        """
        self.path = path
        self.set_aside: Path | None = None
        self.is_shared = False  # another process claims devices in it, too
        self.dropped = 0  # rows that can never be written, and why the last of them
        self.dropped_because: Exception | None = None
        self._is_broken = False  # and not set aside yet
        self._given = 0  # the last number of a claim that was given away here
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = _open(path)
        except (OSError, sqlite3.DatabaseError, NewerFileError) as error:
            if path is None or not is_broken(error):
                raise _cannot_open(path, error) from error
            self.set_aside = _set_aside(path)
            self._connection = _open(path)
        self._inode = _inode_of(path)  # while two share a file, the other may have set it aside

    def apply(self, operations: Sequence[Operation]) -> list[object]:
        """Run all in one transaction; return what each returned or raised for itself.

        Raises sqlite3.Error or OSError when nothing of it was done. A file that has broken
        meanwhile is closed, and set aside by the next try, which makes a new one.
        """
        try:
            return self._apply(operations)
        except sqlite3.DatabaseError as error:
            if is_broken(error):
                self.close()
                self._connection, self._is_broken = None, True
            raise

    def close(self) -> None:
        """Close; idempotent."""
        if self._connection is not None:
            self._connection.close()

    def _apply(self, operations: Sequence[Operation]) -> list[object]:
        connection = self._opened()
        connection.execute("begin immediate")
        try:
            transaction = Transaction(connection, is_shared=self.is_shared)
            results: list[object] = []
            for kind, some in groupby(operations, type):
                if kind not in NOTES:
                    transaction.write_owners()
                if kind is TakeClaim:
                    results += _take(cast("list[TakeClaim]", list(some)), transaction)
                else:
                    results += [_run(operation, transaction) for operation in some]
            transaction.finish()
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise
        self._given = transaction.number or self._given
        if transaction.dropped:
            self.dropped_because = transaction.dropped[-1]
            self.dropped += len(transaction.dropped)
        return results

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._is_broken and self.path is not None and self._inode == _inode_of(self.path):
                self.set_aside = _set_aside(self.path)
            self._is_broken = False
            self._connection = _open(self.path, given=self._given)
            self._inode = _inode_of(self.path)
        return self._connection


def _take(taking: Sequence[TakeClaim], transaction: Transaction) -> Sequence[object]:
    try:
        return take_claims(taking, transaction)
    except Exception as error:
        if is_of_all(error):
            raise
        return [_run(each, transaction) for each in taking]  # one of them can never be done


def _run(operation: Operation, transaction: Transaction) -> object:
    try:
        return operation.run(transaction)
    except Exception as error:
        if is_of_all(error):
            raise
        error.__traceback__ = None  # it is handed to another thread
        return error


def _open(path: Path | None, *, given: int = 0) -> sqlite3.Connection:
    """Open or make the file; no claim in it gets a number up to the one that was `given`."""
    # One call at a time is the hub's promise; where transactions begin and end is ours to say.
    if path is not None and not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
    connection = sqlite3.connect(
        NOWHERE if path is None else path,
        timeout=OPENING_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=64,
    )
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
        connection.execute("pragma journal_size_limit = 4194304")
        _check(connection)
        migrate(connection)
        if given:
            connection.execute(
                "update counter set value = max(value, ?) where name = 'claims'", (given,)
            )
        connection.execute(f"pragma busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("pragma quick_check(1)").fetchone()
    if verdict != "ok":
        error = sqlite3.DatabaseError(verdict)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _inode_of(path: Path | None) -> int | None:
    """Return which file is there, None for none."""
    try:
        return None if path is None else path.stat().st_ino
    except FileNotFoundError:
        return None


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):  # itself at last: what fails before is tried again
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(Path(f"{aside}{suffix}"))
    return aside


def _cannot_open(path: Path | None, error: Exception) -> StartError:
    if isinstance(error, NewerFileError):
        return StartError(f"{path} is too new: {error}", "start the newer version, or use a backup")
    return StartError(
        f"cannot open {path}: {error}", "look at the file's owner, the disk, and who else uses it"
    )
