"""What the store is asked to do: each runs inside somebody else's transaction, in its thread."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from keepline.errors import ReplacedError
from keepline.hub.insert import Insert
from keepline.hub.port import STATE_BYTES, Claim, Event, Outcome, Tally, Totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from keepline.hub.numbers import Place
    from keepline.hub.port import Amend

    Saved = tuple[float | None, bytes]  # a state, and until when it is kept

PRUNE_ROWS: Final = 5_000  # of each table in one transaction

_EVENTS: Final = "select id, at, device_id, kind, data from event where id > ?"

_NEWER: Final = (
    " on conflict do update set claim = excluded.claim, node = excluded.node,"
    " session_id = excluded.session_id, since = excluded.since"
    " where excluded.claim > own.claim"
)
_OWNERS: Final = Insert("own", 5, _NEWER)
# What waited long is given a number of now, and may be older than the claim of another process.
_SHARED: Final = Insert(
    "own", 5, f"{_NEWER} and (own.node = excluded.node or own.since <= excluded.since)"
)
_NEW_EVENTS: Final = Insert("event (at, device_id, kind, data)", 4)
_TALLIES: Final = Insert(
    "total",
    10,
    " on conflict do update set last_at = excluded.last_at, sessions = sessions + 1,"
    " resumed = resumed + excluded.resumed, connected_s = connected_s + excluded.connected_s,"
    " pings = pings + excluded.pings, ping_failures = ping_failures + excluded.ping_failures,"
    " pongs = pongs + excluded.pongs, rtt_sum_s = rtt_sum_s + excluded.rtt_sum_s",
)


class Transaction:
    """What the operations of one transaction share: the next number, and what is only noted.

    That is written when all else is done, or when somebody wants to read it; who has a device, as
    soon as anything else than a note follows. Whoever has it by a newer claim keeps it; `is_shared`
    while another process claims devices in the same file, and takes them from us.
    """

    def __init__(self, connection: sqlite3.Connection, *, is_shared: bool = False) -> None:
        self.execute = connection.execute
        self.connection = connection
        self.owners: list[tuple[object, ...]] = []
        self.events: list[tuple[float, str, str, bytes]] = []
        self.tallies: list[tuple[str | float, ...]] = []
        self.dropped: list[Exception] = []  # why rows were left out that can never be written
        self.number: int | None = None  # the last one given away, None when nobody asked
        self._newer = _SHARED if is_shared else _OWNERS

    def next_number(self) -> int:
        """Return the number of the next claim."""
        return self.take_numbers(1) + 1

    def take_numbers(self, count: int) -> int:
        """Give so many numbers away; return the one before the first."""
        if self.number is None:
            (self.number,) = self.execute(
                "select value from counter where name = 'claims'"
            ).fetchone()
        before: int = self.number
        self.number = before + count
        return before

    def take_owners(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Write who has which device since, all or none."""
        self._newer.write(self.connection, rows)

    def write_owners(self) -> None:
        """Write what was noted of that."""
        self._write(self._newer, self.owners)

    def finish(self) -> None:
        """Write what was gathered; one row that cannot be written costs none of the others."""
        if self.number is not None:
            self.execute("update counter set value = ? where name = 'claims'", (self.number,))
        self.write_owners()
        self._write(_NEW_EVENTS, self.events)
        self._write(_TALLIES, self.tallies)

    def _write(self, statement: Insert, rows: list[tuple[Any, ...]]) -> None:
        statement.write_possible(self.connection, rows, self.dropped.append)
        rows.clear()


class Operation(Protocol):
    """One write or read. What it raises, but for errors of SQLite, is its own and nobody else's."""

    @property
    def size_bytes(self) -> int:
        """What it takes while it waits."""

    def run(self, transaction: Transaction) -> object:
        """Do it; it may be done again after a transaction that failed."""


class NoteClaim(NamedTuple):
    """Give the device, of which nothing is kept, to a session; nobody waits for that."""

    device_id: str
    number: int
    node: str
    session_id: str
    at: float
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> None:
        transaction.owners.append(self[:5])


class TakeClaim(NamedTuple):
    """Give the device to a session, and look for its state; a `number` of 0 is the next."""

    device_id: str
    node: str
    session_id: str
    at: float
    number: int | Place = 0
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> Claim:
        [claim] = take_claims([self], transaction)
        return claim

    def find_number(self) -> int:
        """Return its number, 0 for the next."""
        return self.number if isinstance(self.number, int) else self.number.number()

    def find(self, number: int, saved: Saved | None, transaction: Transaction) -> Claim:
        """Return the claim of who finds what was `saved`, None for nothing."""
        if saved is None:
            return Claim(self.device_id, self.session_id, number)
        until, data = saved
        if until is not None and until <= self.at:
            transaction.execute("delete from state where device_id = ?", (self.device_id,))
            return Claim(self.device_id, self.session_id, number, Outcome.EXPIRED)
        # Kept while it is held, under the new number, until something newer is saved.
        transaction.execute(
            "update state set claim = ?, until = null where device_id = ?",
            (number, self.device_id),
        )
        return Claim(self.device_id, self.session_id, number, Outcome.RESUMED, data)


def take_claims(taking: Sequence[TakeClaim], transaction: Transaction) -> list[Claim]:
    """Take all, in order: who come together are written, and looked for, together."""
    numbers = [each.find_number() or transaction.next_number() for each in taking]
    latest = {each.device_id: number for each, number in zip(taking, numbers, strict=True)}
    owners = [
        (each.device_id, number, each.node, each.session_id, each.at)
        for each, number in zip(taking, numbers, strict=True)
    ]
    transaction.take_owners(owners)
    named = json.dumps([each.device_id for each in taking])
    rows = transaction.execute(
        "select device_id, until, data, own.claim from state join own using (device_id)"
        " where device_id in (select value from json_each(?))",
        (named,),
    )
    saved: dict[str, Saved] = {
        device_id: (until, data)
        for device_id, until, data, number in rows
        if number == latest[device_id]  # else somebody newer has it, with its state
    }
    claims = []
    for each, number in zip(taking, numbers, strict=True):
        claim = each.find(number, saved.pop(each.device_id, None), transaction)
        if claim.state is not None:
            saved[each.device_id] = (None, claim.state)
        claims.append(claim)
    return claims


class SaveState(NamedTuple):
    """Keep a state, if its session still holds the device."""

    device_id: str
    session_id: str
    at: float
    data: bytes

    @property
    def size_bytes(self) -> int:
        return 200 + len(self.data)

    def run(self, transaction: Transaction) -> None:
        done = transaction.execute(
            "insert into state select device_id, claim, ?3, null, ?4 from own"
            " where device_id = ?1 and session_id = ?2 and node <> ''"
            " on conflict do update set claim = excluded.claim, saved_at = ?3, until = null,"
            " data = ?4",
            (self.device_id, self.session_id, self.at, self.data),
        )
        if done.rowcount != 1:
            raise ReplacedError(f"{self.device_id} is held by a newer session")


class ReleaseClaim(NamedTuple):
    """Give the device back; `data` is kept until `until`, None for what was saved, b"" for none.

    Or `data` makes of what was saved what is kept. Who was replaced has nothing to give back.
    """

    device_id: str
    session_id: str
    at: float
    until: float
    data: bytes | Amend | None

    @property
    def size_bytes(self) -> int:
        return 200 + (len(self.data or b"") if not callable(self.data) else STATE_BYTES)

    def run(self, transaction: Transaction) -> None:
        done = transaction.execute(
            "update own set node = '', since = ?"
            " where device_id = ? and session_id = ? and node <> ''",
            (self.at, self.device_id, self.session_id),
        )
        if done.rowcount != 1:
            return
        data = self.data(self._saved(transaction)) if callable(self.data) else self.data
        if data is None:
            transaction.execute(
                "update state set until = ? where device_id = ?", (self.until, self.device_id)
            )
        elif data:
            transaction.execute(
                "insert into state select device_id, claim, ?2, ?3, ?4 from own"
                " where device_id = ?1"
                " on conflict do update set claim = excluded.claim, saved_at = ?2, until = ?3,"
                " data = ?4",
                (self.device_id, self.at, self.until, data),
            )
        else:
            transaction.execute("delete from state where device_id = ?", (self.device_id,))

    def _saved(self, transaction: Transaction) -> bytes | None:
        row: tuple[bytes] | None = transaction.execute(
            "select data from state where device_id = ?", (self.device_id,)
        ).fetchone()
        return None if row is None else row[0]


class HandBack(NamedTuple):
    """Give a claim to the session that had the device before, if nobody has claimed it since."""

    device_id: str
    session_id: str
    heir: str
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> None:
        transaction.execute(
            "update own set session_id = ? where device_id = ? and session_id = ?",
            (self.heir, self.device_id, self.session_id),
        )


class AddTally(NamedTuple):
    """Add a session to its device's totals."""

    device_id: str
    tally: Tally
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> None:
        at, connected_s, resumed, *counted = self.tally
        transaction.tallies.append(
            (self.device_id, at - connected_s, at, 1, resumed, connected_s, *counted)
        )


class ReadTotals(NamedTuple):
    """Read a device's totals; None when there are none."""

    device_id: str
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> Totals | None:
        transaction.finish()
        row = transaction.execute(
            "select first_at, last_at, sessions, resumed, connected_s, pings, ping_failures,"
            " rtt_sum_s / nullif(pongs, 0) from total where device_id = ?",
            (self.device_id,),
        ).fetchone()
        return None if row is None else Totals(*row)


class NoteEvent(NamedTuple):
    """Write an event down."""

    at: float
    device_id: str
    kind: str
    data: bytes

    @property
    def size_bytes(self) -> int:
        return 200 + len(self.data)

    def run(self, transaction: Transaction) -> None:
        transaction.events.append((self.at, self.device_id, self.kind, self.data))


class FindOwner(NamedTuple):
    """Look up who holds a device: node, claim, session and since when; None for nobody."""

    device_id: str
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> tuple[str, int, str, float] | None:
        row: tuple[str, int, str, float] | None = transaction.execute(
            "select node, claim, session_id, since from own where device_id = ? and node <> ''",
            (self.device_id,),
        ).fetchone()
        return row


class ReadEvents(NamedTuple):
    """Read events behind `after`, oldest first, of one device or of all."""

    after: int
    limit: int
    device_id: str | None
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> list[Event]:
        transaction.finish()
        if self.device_id is None:
            rows = transaction.execute(f"{_EVENTS} order by id limit ?", (self.after, self.limit))
        else:
            rows = transaction.execute(
                f"{_EVENTS} and device_id = ? order by id limit ?",
                (self.after, self.device_id, self.limit),
            )
        return [Event(*row) for row in rows]


class ReadLatest(NamedTuple):
    """Read events below `before`, newest first, of one device or of all, of one kind or of any."""

    before: int | None
    limit: int
    device_id: str | None
    kind: str | None
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> list[Event]:
        transaction.finish()
        asked = {"id <": self.before, "device_id =": self.device_id, "kind =": self.kind}
        chosen = {term: value for term, value in asked.items() if value is not None}
        terms = "".join(f" and {term} ?" for term in chosen)
        rows = transaction.execute(
            f"{_EVENTS}{terms} order by id desc limit ?", (0, *chosen.values(), self.limit)
        )
        return [Event(*row) for row in rows]


NOTES: Final = (NoteClaim, NoteEvent, AddTally)
"""What changes nothing but the transaction, until somebody has to see it."""


class TakeOver(NamedTuple):
    """Whatever no living node holds is released, and its windows begin now.

    `living` is the one that still lives, empty for none.
    """

    living: str
    at: float
    until: float
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> int:
        transaction.execute(
            "update state set until = ? where until is null and device_id in"
            " (select device_id from own where node not in ('', ?))",
            (self.until, self.living),
        )
        return transaction.execute(
            "update own set node = '', since = ? where node not in ('', ?)", (self.at, self.living)
        ).rowcount


class ShiftWindows(NamedTuple):
    """The wall clock has jumped by `by_s`: what was to be kept an hour is kept an hour."""

    by_s: float
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> None:
        transaction.execute(
            "update state set until = until + ? where until is not null", (self.by_s,)
        )
        transaction.execute("update own set since = since + ?", (self.by_s,))


class Prune(NamedTuple):
    """Forget states whose window is over, and what is beyond its age, number or bytes.

    `rows` at a time, so that the writer is not held up; returns how many have gone.
    """

    now: float
    events_before: float
    most_events: int
    most_bytes: int
    rows: int = PRUNE_ROWS
    size_bytes: int = 200

    def run(self, transaction: Transaction) -> int:
        transaction.finish()
        gone = transaction.execute(
            "delete from state where device_id in"
            " (select device_id from state where until <= ? limit ?)",
            (self.now, self.rows),
        ).rowcount
        too_big = self._is_too_big(transaction)
        gone += transaction.execute(
            "delete from event where id in (select id from event order by id limit ?1)"
            " and (at < ?2 or id <= (select max(id) from event) - ?3 or ?4)",
            (self.rows, self.events_before, self.most_events, too_big),
        ).rowcount
        # Nothing is lost with an owner who has left nothing; totals go when no events are left.
        gone += transaction.execute(
            "delete from own where device_id in (select own.device_id from own"
            " left join state on state.device_id = own.device_id"
            " where own.node = '' and (own.since < ? or ?) and state.device_id is null limit ?)",
            (self.events_before, too_big, self.rows),
        ).rowcount
        (has_events,) = transaction.execute("select exists (select 1 from event)").fetchone()
        gone += transaction.execute(
            "delete from total where device_id in"
            " (select device_id from total where last_at < ? or ? order by last_at limit ?)",
            (self.events_before, too_big and not has_events, self.rows),
        ).rowcount
        return gone

    def _is_too_big(self, transaction: Transaction) -> bool:
        (pages,) = transaction.execute("pragma page_count").fetchone()
        (free,) = transaction.execute("pragma freelist_count").fetchone()
        (page_bytes,) = transaction.execute("pragma page_size").fetchone()
        used: int = (pages - free) * page_bytes
        return used > self.most_bytes
