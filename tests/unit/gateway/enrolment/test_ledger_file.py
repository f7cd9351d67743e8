from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from keepline.errors import LedgerError, StartError
from keepline.gateway.enrolment.ledger import Entry
from keepline.gateway.enrolment.ledger_file import MIGRATIONS, LedgerFile

ENTRY = Entry("02:ab:00:00:00:01", "d" * 64, 1.5, "operator", "bread", "192.0.2.1", 2.0, False)


def opened(path: Path) -> LedgerFile:
    file = LedgerFile(path)
    file.load()
    return file


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "enrolment.db"
    file = opened(path)
    file.put(ENTRY)
    file.put(ENTRY._replace(device_id="02:ab:00:00:00:02", revoked=True))
    file.put(ENTRY._replace(board="bread-2"))
    assert LedgerFile(path).load() == [
        ENTRY._replace(board="bread-2"),
        ENTRY._replace(device_id="02:ab:00:00:00:02", revoked=True),
    ]


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "enrolment.db"
    script = f"""
import sys
from pathlib import Path
from keepline.gateway.enrolment.ledger import Entry
from keepline.gateway.enrolment.ledger_file import LedgerFile

file = LedgerFile(Path({str(path)!r}))
file.load()
for number in range(10_000):
    file.put(Entry(f"device-{{number}}", "d" * 64))
    print(number, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        last = [int(writer.stdout.readline()) for _ in range(20)][-1]
        os.kill(writer.pid, signal.SIGKILL)
    kept = {entry.device_id for entry in LedgerFile(path).load()}
    assert {f"device-{number}" for number in range(last + 1)} <= kept


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "enrolment.db"
    opened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_its_migrations_are_applied_once(tmp_path: Path) -> None:
    path = tmp_path / "enrolment.db"
    opened(path)
    opened(path)
    with closing(sqlite3.connect(path)) as database:
        applied = database.execute("SELECT number FROM migrations").fetchall()
    assert applied == [(number,) for number in range(1, len(MIGRATIONS) + 1)]


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "enrolment.db"
    opened(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO migrations VALUES (99)")
    with pytest.raises(StartError, match="newer"):
        LedgerFile(path).load()


def test_a_file_that_is_none_is_named_in_the_error(tmp_path: Path) -> None:
    path = tmp_path / "enrolment.db"
    path.write_text("nothing that SQLite wrote, and longer than its header" * 20)
    with pytest.raises(StartError, match=r"enrolment\.db"):
        LedgerFile(path).load()


def test_a_directory_that_is_not_there_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="nowhere"):
        LedgerFile(tmp_path / "nowhere" / "enrolment.db").load()


def test_a_write_that_fails_says_so(tmp_path: Path) -> None:
    path = tmp_path / "enrolment.db"
    file = opened(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE devices")
    with pytest.raises(LedgerError, match="devices"):
        file.put(ENTRY)
