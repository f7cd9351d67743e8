"""What the store is asked about the devices it knows: who was here, and how long ago."""

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
