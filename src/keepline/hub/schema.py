"""The tables, and the steps by which an older file becomes a newer one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

# Each step runs once, in order, in a transaction of its own; `user_version` counts them. A step
# that was released is never changed: a later one corrects it. And it takes nothing away that the
# version before it uses: in an upgrade that one goes on writing to the file until it has left.
STEPS: Final = (
    """
    create table counter (name text primary key, value integer not null) without rowid;
    insert into counter values ('claims', 0);

    create table own (              -- who holds a device; `node` is empty once it was released
        device_id text primary key,
        claim integer not null,
        node text not null,
        session_id text not null,
        since real not null
    ) without rowid;

    create table state (            -- `until` is null while the device is held
        device_id text primary key,
        claim integer not null,
        saved_at real not null,
        until real,
        data blob not null
    );
    create index state_until on state (until) where until is not null;

    create table total (
        device_id text primary key,
        first_at real not null,
        last_at real not null,
        sessions integer not null,
        resumed integer not null,
        connected_s real not null,
        pings integer not null,
        ping_failures integer not null,
        pongs integer not null,
        rtt_sum_s real not null
    ) without rowid;

    create table event (
        id integer primary key autoincrement,
        at real not null,
        device_id text not null,
        kind text not null,
        data blob not null
    );
    create index event_device on event (device_id, id);
    """,
    """
    create table series (           -- what a node measured of itself, a row for each step of time
        step_s real not null,
        number integer not null,
        data blob not null,
        primary key (step_s, number)
    ) without rowid;
    """,
    """
    create table memo (             -- what a part of the program wants to know after a restart
        name text primary key,
        data blob not null
    ) without rowid;
    """,
)


class NewerFileError(Exception):
    """The file was written by a newer version of this program."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest step. Raises NewerFileError for one that is beyond it."""
    (version,) = connection.execute("pragma user_version").fetchone()
    if version > len(STEPS):
        raise NewerFileError(
            f"it has step {version} of the tables, this version knows {len(STEPS)}"
        )
    for number in range(version, len(STEPS)):
        connection.executescript(
            f"begin immediate; {STEPS[number]}; pragma user_version = {number + 1}; commit;"
        )
