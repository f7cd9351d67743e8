"""What the store is asked about memos: small documents that are written over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from keepline.hub.operations import Transaction


class KeepMemo(NamedTuple):
    """Write a memo down, in place of the one with its name."""

    name: str
    data: bytes

    @property
    def size_bytes(self) -> int:
        return 200 + len(self.data)

    def run(self, transaction: Transaction) -> None:
        transaction.execute("insert or replace into memo values (?, ?)", self)


class ReadMemo(NamedTuple):
    """Read a memo; None for one that nobody has written."""

    name: str
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> bytes | None:
        found = transaction.execute("select data from memo where name = ?", (self.name,)).fetchone()
        return None if found is None else bytes(found[0])
