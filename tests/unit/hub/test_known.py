from __future__ import annotations

from collections.abc import Iterator
from math import inf

import pytest

from keepline.hub.database import Database
from keepline.hub.known import ReadKnown
from keepline.hub.operations import ReleaseClaim, TakeClaim, TakeOver
from keepline.hub.port import Known


@pytest.fixture
def database() -> Iterator[Database]:
    opened = Database(None)
    opened.apply([TakeClaim(f"device-{n}", "node", f"session-{n}", 10.0 * n) for n in range(4)])
    yield opened
    opened.close()


def known(
    database: Database, now: float, within_s: float, after: str = "", limit: int = 9
) -> object:
    [found] = database.apply([ReadKnown(now, now - within_s, after, limit)])
    return found


def test_who_is_held_is_not_away_however_long_ago_it_came(database: Database) -> None:
    assert known(database, 1_000.0, 5.0) == [Known(f"device-{n}", 0.0) for n in range(4)]


def test_who_was_released_is_away_since_then_and_not_since_it_came(database: Database) -> None:
    database.apply([ReleaseClaim("device-1", "session-1", 990.0, 1_050.0, b"")])
    assert known(database, 1_000.0, 60.0, limit=2) == [("device-0", 0.0), ("device-1", 10.0)]
    assert known(database, 1_000.0, 9.0, "device-0", 1) == [("device-2", 0.0)]


def test_who_was_held_by_a_life_that_is_over_is_away_since_the_next_began(
    database: Database,
) -> None:
    database.apply([TakeOver("", at=995.0, until=1_055.0)])
    assert known(database, 1_000.0, 5.0) == [Known(f"device-{n}", 5.0) for n in range(4)]
    assert known(database, 1_000.0, 4.0) == []


def test_a_clock_that_was_set_back_makes_nobody_come_back_before_it_left(
    database: Database,
) -> None:
    database.apply([ReleaseClaim("device-1", "session-1", 990.0, 1_050.0, b"")])
    assert ("device-1", 0.0) in known(database, 500.0, inf)  # type: ignore[operator]
