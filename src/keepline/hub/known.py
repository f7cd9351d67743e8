"""What the store is asked about the devices it knows: who is here, who was, and how long ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keepline.hub.port import Known

if TYPE_CHECKING:
    from keepline.hub.operations import Transaction


class ReadKnown(NamedTuple):
    """Read `limit` devices behind `after` that are held, or were since `since`; by their ids.

    An owner's own `since` is when it was released, once it was.
    """

    now: float
    since: float
    after: str
    limit: int
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> list[Known]:
        rows = transaction.execute(
            "select device_id, case node when '' then max(0.0, ? - since) else 0.0 end from own"
            " where device_id > ? and (since >= ? or node <> '') order by device_id limit ?",
            (self.now, self.after, self.since, self.limit),
        )
        return [Known(*row) for row in rows]


class Held(NamedTuple):
    """A device, and the session that has it."""

    device_id: str
    session_id: str


class ReadHeld(NamedTuple):
    """Read `limit` devices behind `after` that a node has; by their ids."""

    node: str
    after: str
    limit: int
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> list[Held]:
        rows = transaction.execute(
            "select device_id, session_id from own where device_id > ? and node = ?"
            " order by device_id limit ?",
            (self.after, self.node, self.limit),
        )
        return [Held(*row) for row in rows]


class ReadLeft(NamedTuple):
    """Read which devices lives had that are not among the `living`."""

    living: tuple[str, str]
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> list[str]:
        rows = transaction.execute(
            "select device_id from own where node not in ('', ?, ?)", self.living
        )
        return [device_id for (device_id,) in rows]
