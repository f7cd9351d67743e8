from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, cast

import pytest
import pytest_asyncio

from keepline.errors import HubDownError
from keepline.hub import writer as module
from keepline.hub.database import Database
from keepline.hub.operations import NoteEvent, Operation
from keepline.hub.writer import MOST_AT_ONCE, Writer
from tests.waiting import eventually


class Store:
    """A database that does as it is told: fails a few times, or hangs until it may go on."""

    def __init__(self) -> None:
        self.batches: list[list[Operation]] = []
        self.failures: list[Exception] = []
        self.begun = Event()
        self.may_go_on = Event()
        self.may_go_on.set()

    def apply(self, operations: Sequence[Operation]) -> list[object]:
        self.begun.set()
        self.may_go_on.wait(5.0)
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(list(operations))
        return [f"done {cast('Any', operation).kind}" for operation in operations]


def note(kind: str, size: int = 0) -> NoteEvent:
    return NoteEvent(1.0, "d", kind, bytes(size))


@pytest.fixture
def store() -> Store:
    return Store()


class Troubles(list[Exception | None]):
    pass


@pytest_asyncio.fixture
async def writer(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Writer]:
    monkeypatch.setattr(module, "RETRY_FIRST_S", 0.002)
    executor = ThreadPoolExecutor(max_workers=1)
    made = Writer(
        cast("Database", store),
        loop=asyncio.get_running_loop(),
        executor=executor,
        on_trouble=Troubles().append,
        most_waiting=8,
        most_bytes=4_000,
    )
    yield made
    store.may_go_on.set()
    await made.flush(5.0)
    made.stop()
    executor.shutdown()


async def test_what_is_asked_for_together_goes_into_one_transaction(
    store: Store, writer: Writer
) -> None:
    asked = [writer.ask(note(str(n))) for n in range(3)]
    assert await asyncio.gather(*asked) == ["done 0", "done 1", "done 2"]
    assert len(store.batches) == 1


async def test_what_comes_during_a_transaction_goes_into_the_next(
    store: Store, writer: Writer
) -> None:
    store.may_go_on.clear()
    first = writer.ask(note("1"))
    await eventually(store.begun.is_set)
    later = [writer.ask(note(kind)) for kind in "23"]
    store.may_go_on.set()
    await asyncio.gather(first, *later)
    assert [len(batch) for batch in store.batches] == [1, 2]


async def test_a_transaction_is_tried_until_it_succeeds_and_in_order(
    store: Store, writer: Writer
) -> None:
    store.failures = [sqlite3.OperationalError("locked")] * 3
    asked = [writer.ask(note(kind)) for kind in "123"]
    assert await asyncio.gather(*asked) == ["done 1", "done 2", "done 3"]


async def test_trouble_is_told_once_and_so_is_its_end(store: Store) -> None:
    troubles: list[Exception | None] = []
    with ThreadPoolExecutor(max_workers=1) as executor:
        writer = Writer(
            cast("Database", store),
            loop=asyncio.get_running_loop(),
            executor=executor,
            on_trouble=troubles.append,
        )
        store.failures = [sqlite3.OperationalError("locked"), sqlite3.OperationalError("locked")]
        await writer.ask(note("1"))
        assert [str(trouble) for trouble in troubles] == ["locked", "None"]
        assert writer.trouble is None
        writer.stop()


async def test_an_error_of_one_operation_is_its_own(store: Store, writer: Writer) -> None:
    error = ValueError("never")
    store.apply = lambda operations: [error, "done"]  # type: ignore[method-assign]
    first, second = writer.ask(note("1")), writer.ask(note("2"))
    with pytest.raises(ValueError, match="never"):
        await first
    assert await second == "done"


@pytest.mark.parametrize(("before", "taken"), [(6, True), (7, True), (8, False)])
async def test_no_more_operations_wait_than_may(
    store: Store,
    writer: Writer,
    before: int,
    taken: bool,  # noqa: FBT001
) -> None:
    store.may_go_on.clear()
    for number in range(before):
        writer.ask(note(str(number)))
    if taken:
        writer.ask(note("one more"))
    else:
        with pytest.raises(HubDownError, match="no room"):
            writer.ask(note("one too many"))


@pytest.mark.parametrize(("size", "taken"), [(3_599, True), (3_600, True), (3_601, False)])
async def test_no_more_bytes_wait_than_may(
    store: Store,
    writer: Writer,
    size: int,
    taken: bool,  # noqa: FBT001
) -> None:
    store.may_go_on.clear()
    writer.ask(note("200 bytes of its own"))
    if taken:
        writer.ask(note("and 200 more", size))
    else:
        with pytest.raises(HubDownError, match="no room"):
            writer.ask(note("and 200 more", size))


@pytest.mark.parametrize(("before", "noted"), [(5, True), (6, False)])
async def test_events_leave_room_for_what_somebody_waits_for(
    store: Store,
    writer: Writer,
    before: int,
    noted: bool,  # noqa: FBT001
) -> None:
    store.may_go_on.clear()
    for number in range(before):
        writer.ask(note(str(number)))
    assert writer.note(note("an event")) is noted


async def test_a_cancelled_asker_changes_nothing_for_the_others(
    store: Store, writer: Writer
) -> None:
    first, second = writer.ask(note("1")), writer.ask(note("2"))
    first.cancel()
    assert await second == "done 2"
    assert len(store.batches[0]) == 2


async def test_who_is_not_patient_is_told_while_the_store_hangs(
    store: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.02)
    store.may_go_on.clear()
    patient, other = writer.ask(note("1")), writer.ask(note("2"), patient=False)
    with pytest.raises(HubDownError, match="does not answer"):
        await other
    store.may_go_on.set()
    assert await patient == "done 1"
    await eventually(lambda: len(writer) == 0)
    assert [len(batch) for batch in store.batches] == [2]  # what was taken was done


async def test_nobody_looks_while_there_is_trouble(store: Store, writer: Writer) -> None:
    store.failures = [sqlite3.OperationalError("locked")] * 5
    asked = writer.ask(note("1"))
    await eventually(lambda: writer.trouble is not None)
    with pytest.raises(HubDownError, match="locked"):
        await writer.look(note("a read"))
    await asked


async def test_a_flush_waits_for_what_was_asked_for(store: Store, writer: Writer) -> None:
    writer.note(note("1"))
    assert await writer.flush(5.0) == 0
    assert len(store.batches) == 1


async def test_a_flush_gives_up_and_says_how_many_are_left(store: Store, writer: Writer) -> None:
    store.may_go_on.clear()
    asked = [writer.ask(note(kind)) for kind in "12"]
    assert await writer.flush(0.02) == 2
    writer.stop()
    for each in asked:
        with pytest.raises(HubDownError, match="stopped"):
            await each
    with pytest.raises(HubDownError):
        writer.ask(note("3"))


async def test_a_transaction_takes_no_more_than_its_share(store: Store) -> None:
    with ThreadPoolExecutor(max_workers=1) as executor:
        writer = Writer(
            cast("Database", store),
            loop=asyncio.get_running_loop(),
            executor=executor,
            on_trouble=lambda _: None,
        )
        await asyncio.gather(*(writer.ask(note("k")) for _ in range(MOST_AT_ONCE + 1)))
        assert [len(batch) for batch in store.batches] == [MOST_AT_ONCE, 1]
        writer.stop()


async def test_how_long_writes_took_counts_from_asking_to_commit(
    store: Store, writer: Writer
) -> None:
    store.may_go_on.clear()
    first, second = writer.ask(note("1")), writer.ask(note("2", size=1_000))
    assert (len(writer), writer.written) == (2, 0)
    assert writer.waiting_bytes >= 1_000
    await eventually(store.begun.is_set)
    store.may_go_on.set()
    await asyncio.gather(first, second)
    assert (len(writer), writer.written, writer.waiting_bytes) == (0, 2, 0)
    assert sum(writer.latency.counts) == 2
    assert writer.latency.sum >= 2 * module.GATHER_S / 2
