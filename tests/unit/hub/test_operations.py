from __future__ import annotations

from typing import Any, cast

import pytest

from keepline.errors import ReplacedError
from keepline.hub.database import Database
from keepline.hub.numbers import BLOCK, Place, TakeNumbers
from keepline.hub.operations import (
    AddTally,
    FindOwner,
    NoteClaim,
    NoteEvent,
    Operation,
    Prune,
    ReadEvents,
    ReadTotals,
    ReleaseClaim,
    SaveState,
    ShiftWindows,
    TakeClaim,
    TakeOver,
)
from keepline.hub.port import Claim, Event, Outcome, Tally, Totals

PLENTY = 1 << 40


@pytest.fixture
def database() -> Database:
    return Database(None)


def run(database: Database, *operations: Operation) -> list[object]:
    return database.apply(operations)


def claim(database: Database, device_id: str, session_id: str, at: float = 100.0) -> Claim:
    [taken] = run(database, TakeClaim(device_id, "node", session_id, at))
    assert isinstance(taken, Claim)
    return taken


def test_claims_of_one_transaction_have_numbers_of_their_own(database: Database) -> None:
    taken = run(database, *(TakeClaim("d", "node", f"s{n}", 1.0) for n in range(3)))
    assert [each.number for each in taken if isinstance(each, Claim)] == [1, 2, 3]
    assert claim(database, "d", "s4").number == 4


def test_a_claim_that_is_only_noted_is_there_for_whoever_asks_next(database: Database) -> None:
    noted = [NoteClaim("d", number, "node", f"s{number}", 1.0) for number in (5, 6)]
    event = NoteEvent(1.0, "d", "online", b"{}")
    *_, refused, saved, owner = run(
        database,
        noted[0],
        event,
        noted[1],
        SaveState("d", "s5", 2.0, b"older"),
        SaveState("d", "s6", 2.0, b"state"),
        FindOwner("d"),
    )
    assert isinstance(refused, ReplacedError)
    assert saved is None
    assert owner == ("node", 6, "s6", 1.0)


def test_a_claim_that_can_never_be_written_costs_no_other(database: Database) -> None:
    run(database, NoteClaim("\ud800", 1, "node", "s1", 1.0), NoteClaim("d", 2, "node", "s2", 1.0))
    assert run(database, FindOwner("d")) == [("node", 2, "s2", 1.0)]
    assert database.dropped == 1


def test_numbers_of_a_block_are_given_to_nobody_else(database: Database) -> None:
    one, other = TakeNumbers(), TakeNumbers()
    run(database, one, other)
    assert (one.before, other.before) == (0, BLOCK)
    assert claim(database, "d", "s1").number == 2 * BLOCK + 1


def test_a_claim_with_a_place_in_a_block_has_its_number(database: Database) -> None:
    block = TakeNumbers()
    _, taken = run(database, block, TakeClaim("d", "node", "s1", 1.0, Place(block, 3)))
    assert taken == Claim("d", "s1", 3)
    assert claim(database, "d", "s2").number == BLOCK + 1


def test_a_claim_with_a_place_in_a_block_that_never_came_has_the_next_number(
    database: Database,
) -> None:
    taken = run(database, TakeClaim("d", "node", "s1", 1.0, Place(TakeNumbers(), 3)))
    assert taken == [Claim("d", "s1", 1)]


def test_what_is_saved_between_two_claims_is_what_the_second_finds(database: Database) -> None:
    _, saved, second = run(
        database,
        TakeClaim("d", "node", "s1", 1.0),
        SaveState("d", "s1", 1.0, b"state"),
        TakeClaim("d", "node", "s2", 1.0),
    )
    assert saved is None
    assert second == Claim("d", "s2", 2, Outcome.RESUMED, b"state")


def test_a_save_of_a_session_that_holds_nothing_is_refused_alone(database: Database) -> None:
    claim(database, "d", "s1")
    refused, saved = run(
        database, SaveState("d", "s0", 1.0, b"late"), SaveState("d", "s1", 1.0, b"state")
    )
    assert isinstance(refused, ReplacedError)
    assert saved is None


def test_a_release_with_an_empty_state_forgets_the_one_before(database: Database) -> None:
    claim(database, "d", "s1")
    run(database, SaveState("d", "s1", 1.0, b"x"), ReleaseClaim("d", "s1", 1.0, 500.0, b""))
    assert claim(database, "d", "s2").outcome is Outcome.NEW


@pytest.mark.parametrize(("at", "outcome"), [(499.9, Outcome.RESUMED), (500.0, Outcome.EXPIRED)])
def test_a_release_without_a_state_keeps_the_one_before_for_its_window(
    database: Database, at: float, outcome: Outcome
) -> None:
    claim(database, "d", "s1")
    run(database, SaveState("d", "s1", 1.0, b"x"), ReleaseClaim("d", "s1", 1.0, 500.0, None))
    assert claim(database, "d", "s2", at=at).outcome is outcome


def test_totals_are_the_sum_of_all_sessions(database: Database) -> None:
    tally = Tally(100.0, 60.0, resumed=False, pings=4, ping_failures=1, pongs=2, rtt_sum_s=0.1)
    run(database, AddTally("d", tally), AddTally("d", tally._replace(at=200.0, resumed=True)))
    assert run(database, ReadTotals("d")) == [Totals(40.0, 200.0, 2, 1, 120.0, 8, 2, 0.05)]


def test_a_device_that_never_ponged_has_no_average(database: Database) -> None:
    run(database, AddTally("d", Tally(9.0, 1.0, False, 3, 3, 0, 0.0)))
    [totals] = run(database, ReadTotals("d"))
    assert isinstance(totals, Totals)
    assert totals.average_rtt_s is None


def test_a_device_nobody_knows_has_no_totals(database: Database) -> None:
    assert run(database, ReadTotals("d")) == [None]


@pytest.mark.parametrize(("before", "gone"), [(9.0, 0), (9.1, 1)])
def test_totals_of_a_device_that_has_not_come_for_long_are_pruned(
    database: Database, before: float, gone: int
) -> None:
    run(database, AddTally("d", Tally(9.0, 1.0, False, 3, 3, 0, 0.0)))
    assert run(database, Prune(10.0, before, 1_000, PLENTY)) == [gone]


def test_a_second_release_changes_nothing(database: Database) -> None:
    claim(database, "d", "s1")
    run(database, *(ReleaseClaim("d", "s1", 1.0, 500.0, state) for state in (b"x", b"y")))
    assert claim(database, "d", "s2").state == b"x"


def test_a_released_device_has_no_owner(database: Database) -> None:
    claim(database, "d", "s1", at=7.0)
    assert run(database, FindOwner("d")) == [("node", 1, "s1", 7.0)]
    run(database, ReleaseClaim("d", "s1", 1.0, 500.0, b"x"))
    assert run(database, FindOwner("d")) == [None]


def test_events_are_readable_in_the_transaction_that_notes_them(database: Database) -> None:
    [_, read] = run(database, NoteEvent(5.0, "d", "online", b"{}"), ReadEvents(0, 10, None))
    assert read == [Event(1, 5.0, "d", "online", b"{}")]


@pytest.mark.parametrize("bad", [None, "\ud800", 1 << 70], ids=["null", "no text", "too large"])
@pytest.mark.parametrize("others", [0, 7, 40])
def test_an_event_that_cannot_be_written_costs_none_of_the_others(
    database: Database, bad: Any, others: int
) -> None:
    good = [NoteEvent(5.0, f"d{n}", "online", b"{}") for n in range(others)]
    half = others // 2
    noted = run(database, *good[:half], NoteEvent(5.0, "d", bad, b"{}"), *good[half:])
    assert noted == [None] * (others + 1)
    [read] = run(database, ReadEvents(0, 100, None))
    assert [event.device_id for event in cast("list[Event]", read)] == [
        event.device_id for event in good
    ]
    assert database.dropped == 1


def test_a_tally_that_cannot_be_written_costs_none_of_the_others(database: Database) -> None:
    tally = Tally(100.0, 60.0, resumed=False, pings=4, ping_failures=1, pongs=2, rtt_sum_s=0.1)
    bad = tally._replace(pings=1 << 70)
    tallies = [AddTally(f"d{n % 3}", bad if n == 4 else tally) for n in range(9)]
    read = run(database, *tallies, *(ReadTotals(f"d{n}") for n in range(3)))[9:]
    assert [totals.sessions for totals in cast("list[Totals]", read)] == [3, 2, 3]
    assert database.dropped == 1


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_no_more_events_are_read_than_asked_for(database: Database, number: int) -> None:
    run(database, *(NoteEvent(5.0, "d", "online", b"{}") for _ in range(2)))
    [read] = run(database, ReadEvents(0, number, "d"))
    assert isinstance(read, list)
    assert len(read) == min(number, 2)


@pytest.mark.parametrize(("at", "outcome"), [(159.9, Outcome.RESUMED), (160.0, Outcome.EXPIRED)])
def test_a_node_that_starts_releases_what_its_former_life_held(
    database: Database, at: float, outcome: Outcome
) -> None:
    claim(database, "held", "s1")
    run(database, SaveState("held", "s1", 1.0, b"x"))
    assert run(database, TakeOver("", at=100.0, until=160.0)) == [1]
    assert claim(database, "held", "s2", at=at).outcome is outcome


def test_a_node_that_starts_leaves_alone_what_a_living_one_holds(database: Database) -> None:
    claim(database, "held", "s1")
    run(database, SaveState("held", "s1", 1.0, b"x"))
    assert run(database, TakeOver("node", at=100.0, until=160.0)) == [0]
    assert run(database, FindOwner("held")) != [None]
    assert run(database, SaveState("held", "s1", 1.0, b"y")) == [None]
    assert run(database, TakeOver("other", at=100.0, until=160.0)) == [1]


@pytest.mark.parametrize(
    ("now", "outcome"),
    [(209.0, Outcome.RESUMED), (210.0, Outcome.EXPIRED)],
)
def test_shifted_windows_end_at_the_shifted_time(
    database: Database, now: float, outcome: Outcome
) -> None:
    claim(database, "d", "s1")
    run(database, ReleaseClaim("d", "s1", 100.0, 160.0, b"x"), ShiftWindows(50.0))
    assert claim(database, "d", "s2", at=now).outcome is outcome


@pytest.mark.parametrize(("now", "gone"), [(159.9, 0), (160.0, 1), (160.1, 1)])
def test_a_state_whose_window_is_over_is_pruned(database: Database, now: float, gone: int) -> None:
    claim(database, "d", "s1")
    run(database, ReleaseClaim("d", "s1", 100.0, 160.0, b"x"))
    assert run(database, Prune(now, 0.0, 1_000, PLENTY)) == [gone]


def test_a_state_that_is_held_is_never_pruned(database: Database) -> None:
    claim(database, "d", "s1")
    run(database, SaveState("d", "s1", 100.0, b"x"))
    assert run(database, Prune(1e12, 1e12, 1_000, PLENTY)) == [0]


@pytest.mark.parametrize(("most", "left"), [(4, 4), (5, 5), (6, 5)])
def test_events_beyond_their_number_are_pruned(database: Database, most: int, left: int) -> None:
    run(database, *(NoteEvent(5.0, "d", "online", b"{}") for _ in range(5)))
    run(database, Prune(10.0, 0.0, most, PLENTY))
    [read] = run(database, ReadEvents(0, 100, None))
    assert isinstance(read, list)
    assert [event.id for event in read] == list(range(6 - left, 6))


@pytest.mark.parametrize(("before", "left"), [(4.9, 1), (5.0, 1), (5.1, 0)])
def test_events_beyond_their_age_are_pruned(database: Database, before: float, left: int) -> None:
    run(database, NoteEvent(5.0, "d", "online", b"{}"), Prune(10.0, before, 1_000, PLENTY))
    run(database, Prune(10.0, before, 1_000, PLENTY))
    [read] = run(database, ReadEvents(0, 100, None))
    assert isinstance(read, list)
    assert len(read) == left


def test_a_file_beyond_its_bytes_loses_its_oldest_events(database: Database) -> None:
    run(database, *(NoteEvent(5.0, "d", "online", bytes(1_000)) for _ in range(500)))
    [gone] = run(database, Prune(10.0, 0.0, 1_000, 100_000, rows=50))
    assert gone == 50
    [read] = run(database, ReadEvents(0, 1, None))
    assert isinstance(read, list)
    assert read[0].id == 51


def test_a_file_beyond_its_bytes_forgets_devices_that_have_left_nothing(
    database: Database,
) -> None:
    ids = [f"{number:0128}" for number in range(500)]
    for at, device_id in enumerate(ids):
        claim(database, device_id, "s", at=5.0)
        left = ReleaseClaim(device_id, "s", 5.0, 60.0, b"")
        run(database, left, AddTally(device_id, Tally(float(at), 1.0, False, 0, 0, 0, 0.0)))
    run(database, NoteEvent(5.0, "d", "online", b"{}"))
    tight = Prune(10.0, 0.0, 1_000, 100_000, rows=200)
    assert run(database, tight) == [1 + 200 + 200]  # an event, owners, the oldest totals
    assert run(database, ReadTotals(ids[199]), ReadTotals(ids[200]))[0] is None
    assert run(database, ReadTotals(ids[200])) != [None]
    while run(database, tight) != [0]:
        pass
    assert run(database, ReadTotals(ids[-1])) != [None]


def test_pruning_takes_no_more_rows_at_a_time_than_it_may(database: Database) -> None:
    run(database, *(NoteEvent(5.0, "d", "online", b"{}") for _ in range(30)))
    assert run(database, Prune(10.0, 6.0, 1_000, PLENTY, rows=20)) == [20]
    assert run(database, Prune(10.0, 6.0, 1_000, PLENTY, rows=20)) == [10]


def test_a_device_that_has_left_nothing_is_forgotten_in_the_end(database: Database) -> None:
    claim(database, "d", "s1", at=5.0)
    run(database, ReleaseClaim("d", "s1", 5.0, 6.0, b""))
    assert run(database, Prune(10.0, 5.0, 1_000, PLENTY)) == [0]
    assert run(database, Prune(10.0, 5.1, 1_000, PLENTY)) == [1]


@pytest.mark.parametrize(
    "operation",
    [SaveState("d", "s", 1.0, bytes(50)), ReleaseClaim("d", "s", 1.0, 2.0, bytes(50))],
)
def test_what_waits_is_counted_with_its_state(operation: Operation) -> None:
    assert operation.size_bytes == 250


@pytest.mark.parametrize("count", [1, 7, 8, 9, 41])
def test_who_come_together_are_written_as_if_each_came_alone(
    database: Database, count: int
) -> None:
    run(database, *(TakeClaim(f"d{n}", "node", f"s{n}", float(n)) for n in range(count)))
    owners = run(database, *(FindOwner(f"d{n}") for n in range(count)))
    assert owners == [("node", n + 1, f"s{n}", float(n)) for n in range(count)]


def test_of_claims_for_one_device_in_a_transaction_the_last_holds_it(database: Database) -> None:
    claim(database, "d", "s0")
    run(database, ReleaseClaim("d", "s0", 100.0, 160.0, b"x"))
    first, other, second = run(
        database,
        TakeClaim("d", "node", "s1", 159.0),
        TakeClaim("e", "node", "s1", 159.0),
        TakeClaim("d", "node", "s2", 161.0),  # by then the first one holds it
    )
    assert first == Claim("d", "s1", 2, Outcome.RESUMED, b"x")
    assert other == Claim("e", "s1", 3)
    assert second == Claim("d", "s2", 4, Outcome.RESUMED, b"x")
    assert run(database, FindOwner("d")) == [("node", 4, "s2", 161.0)]


def test_a_state_expires_once(database: Database) -> None:
    claim(database, "d", "s0")
    run(database, ReleaseClaim("d", "s0", 100.0, 160.0, b"x"))
    taken = run(database, *(TakeClaim("d", "node", f"s{n}", 160.0) for n in (1, 2)))
    assert [each.outcome for each in taken if isinstance(each, Claim)] == [
        Outcome.EXPIRED,
        Outcome.NEW,
    ]
