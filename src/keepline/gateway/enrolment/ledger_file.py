"""The ledger's store on disk: one SQLite file, durable once a write has returned."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from keepline.errors import LedgerError, StartError
from keepline.gateway.enrolment.ledger import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_TIMEOUT_S = 5.0
OWNER_ONLY = 0o600  # it says who has which device

# Applied in order, each once; never changed after a release.
MIGRATIONS = (
    """
    CREATE TABLE devices (
        device_id     TEXT PRIMARY KEY,
        client_digest TEXT NOT NULL,
        enrolled_at   REAL NOT NULL,
        vouched_by    TEXT NOT NULL,
        board         TEXT NOT NULL,
        address       TEXT NOT NULL,
        not_before    REAL NOT NULL,
        revoked       INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
)

_LOAD = (
    "SELECT device_id, client_digest, enrolled_at, vouched_by, board, address, not_before, revoked"
    " FROM devices"
)
_PUT = "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class LedgerFile:
    """Opens the file anew for each call: calls are rare, and nothing is left to be closed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[Entry]:
        """Return every entry; makes the file, or brings it up to date. Raises StartError."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
            with self._opened() as database:
                self._migrate(database)
                return [_entry(row) for row in database.execute(_LOAD)]
        except (OSError, sqlite3.Error) as error:
            raise StartError(
                f"cannot read who is enrolled from {self._path}: {error}",
                "repair or move the file away; without it every device is a stranger again",
            ) from error

    def put(self, entry: Entry) -> None:
        """Keep an entry; on disk when this returns. Raises LedgerError."""
        try:
            with self._opened() as database:
                database.execute(_PUT, entry)
        except sqlite3.Error as error:
            raise LedgerError(f"cannot write to {self._path}: {error}") from error

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        opening = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        with closing(opening) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")  # a power cut loses nothing, either
            with database:
                database.execute("BEGIN IMMEDIATE")
                yield database

    def _migrate(self, database: sqlite3.Connection) -> None:
        database.execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY)")
        [(done,)] = database.execute("SELECT count(*) FROM migrations")
        if done > len(MIGRATIONS):
            raise StartError(
                f"{self._path} was written by a newer Keepline",
                "run that version, or give --data another directory",
            )
        for number, change in enumerate(MIGRATIONS[done:], start=done + 1):
            database.execute(change)
            database.execute("INSERT INTO migrations VALUES (?)", (number,))


def _entry(row: tuple[str, str, float, str, str, str, float, int]) -> Entry:
    return Entry(*row[:7], revoked=bool(row[7]))
