from __future__ import annotations

from keepline.hub.database import Database
from keepline.hub.memos import KeepMemo, ReadMemo


def test_a_memo_is_what_was_written_last_under_its_name() -> None:
    database = Database(None)
    writes = [KeepMemo("one", b"old"), KeepMemo("two", b"other"), KeepMemo("one", b"new")]
    found = database.apply([*writes, ReadMemo("one"), ReadMemo("two"), ReadMemo("three")])
    database.close()
    assert list(found[3:]) == [b"new", b"other", None]


def test_a_memo_waits_with_its_bytes() -> None:
    assert KeepMemo("one", bytes(1_000)).size_bytes - KeepMemo("one", b"").size_bytes == 1_000
