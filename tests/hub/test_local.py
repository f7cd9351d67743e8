"""What is the local hub's alone; what every hub has to do is in test_contract.py."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from keepline.clock import ManualClock
from keepline.errors import HubDownError, ReplacedError
from keepline.hub import writer
from keepline.hub.backup import back_up
from keepline.hub.database import Database
from keepline.hub.local import PRUNE_EACH_S, PRUNE_LATER_S, LocalHub, Retention
from keepline.hub.numbers import BLOCK
from keepline.hub.operations import PRUNE_ROWS, Transaction
from keepline.hub.port import Outcome, Row
from tests.hub.stand_ins import CountingNode
from tests.waiting import eventually


class Breaks:
    """Finds the file damaged, once."""

    size_bytes = 0

    def __init__(self) -> None:
        self._is_done = False

    def run(self, _: Transaction) -> None:
        if not self._is_done:
            self._is_done = True
            error = sqlite3.DatabaseError("malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error


class Opened:
    """A hub on a file, and a second connection by which a test takes the file away from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.troubles: list[str] = []
        self.executor = ThreadPoolExecutor(max_workers=1)
        self.clock = ManualClock()
        self.hub = LocalHub(
            Database(path),
            node="node-1",
            loop=asyncio.get_running_loop(),
            executor=self.executor,
            clock=self.clock,
            retention=Retention(3_600.0, 1_000, 1 << 30),
            on_trouble=lambda trouble: self.troubles.append(str(trouble)),
        )
        self._other = sqlite3.connect(path, isolation_level=None)
        self._patience = pytest.MonkeyPatch()

    def lock(self) -> None:
        """Have nothing written until `unlock`, and nobody wait long for it."""
        self._other.execute("begin immediate")
        self._patience.setattr(writer, "PATIENCE_S", 0.2)

    def unlock(self) -> None:
        self._patience.undo()
        self._other.execute("rollback")

    @contextmanager
    def no_room(self) -> Iterator[None]:
        most, self.hub._writer._most_waiting = self.hub._writer._most_waiting, 0
        yield
        self.hub._writer._most_waiting = most

    def last_given(self) -> int:
        [number] = self._other.execute("select value from counter").fetchone()
        return int(number)

    def break_file(self) -> None:
        """Have it set aside, and a new one made, before anything else is written."""
        self.hub._writer.note(Breaks())

    async def all_written(self) -> None:
        assert await self.hub._writer.flush(30.0) == 0

    async def leave_something(self, device_id: str) -> None:
        await self.hub.save(await self.hub.claim(device_id, "session-0"), b"state")

    async def __aenter__(self) -> Self:
        await self.hub.start(CountingNode(), 60.0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._patience.undo()
        self._other.close()
        await self.hub.stop(5.0)
        self.executor.shutdown()


@pytest.fixture(autouse=True)
def _a_slow_disk_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PATIENCE_S", 60.0)
    monkeypatch.setattr(writer, "RETRY_MOST_S", 0.05)


async def test_a_locked_file_costs_a_device_its_memory_but_not_its_connection(
    tmp_path: Path,
) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        await opened.leave_something("device")
        opened.lock()
        claim = await opened.hub.claim("device", "session-1")
        assert claim.provisional
        assert claim.outcome is Outcome.NEW
        opened.unlock()


async def test_a_device_that_left_nothing_waits_for_no_file(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        opened.lock()
        claims = [await opened.hub.claim("device", f"session-{number}") for number in (1, 2)]
        assert [claim.provisional for claim in claims] == [False, False]
        opened.unlock()
        await opened.hub.save(claims[1], b"state")
        with pytest.raises(ReplacedError):
            await opened.hub.save(claims[0], b"older")


async def test_what_was_kept_in_a_former_life_is_found_by_the_first_claim(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as former:
        await former.leave_something("device")
    async with Opened(tmp_path / "keepline.db") as opened:
        claim = await opened.hub.claim("device", "session-1")
        assert (claim.outcome, claim.state) == (Outcome.RESUMED, b"state")


async def test_more_devices_than_a_block_has_numbers_come_in_order(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        numbers = []
        for number in range(2 * BLOCK):
            numbers.append((await opened.hub.claim("device", f"session-{number}")).number)
            if number % 500 == 0:
                await opened.all_written()
        assert numbers == list(range(1, 2 * BLOCK + 1))


async def test_when_no_number_is_left_a_claim_waits_for_the_block_under_way(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        at_once = [(await opened.hub.claim("d", f"session-{n}")).number for n in range(BLOCK)]
        assert at_once == list(range(1, BLOCK + 1))
        # They keep coming, each before the one before it is answered.
        waiting = [asyncio.ensure_future(opened.hub.claim("d", f"waits-{n}")) for n in range(50)]
        numbers = [claim.number for claim in await asyncio.gather(*waiting)]
        opened.lock()  # whoever comes now waits for no file again
        again = await opened.hub.claim("other", "session-a")
        assert not again.provisional
        numbers.append(again.number)
        opened.unlock()
        assert numbers == list(range(BLOCK + 1, BLOCK + 52))
        assert opened.last_given() == 2 * BLOCK  # no block was forgotten


async def test_a_claim_that_found_neither_number_nor_room_is_not_above_who_comes_next(
    tmp_path: Path,
) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        opened.hub._numbers._latest = opened.hub._numbers._last
        with opened.no_room():
            refused = await opened.hub.claim("device", "session-1")
        assert refused.provisional
        await opened.hub.claim("other", "session-2")  # a block is under way
        opened.hub.each_second()
        await opened.all_written()
        newer = await opened.hub.claim("device", "session-3")
        await opened.hub.save(newer, b"state")


async def test_numbers_go_on_when_the_file_is_a_new_one(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        numbers = []
        for number in range(2 * BLOCK):
            numbers.append((await opened.hub.claim("device", f"session-{number}")).number)
            if number == BLOCK // 4:
                opened.break_file()
            if number % 500 == 0:
                await opened.all_written()
        assert numbers == sorted(set(numbers))
        assert opened.hub._database.set_aside is not None


async def test_a_number_of_a_new_file_is_above_those_of_the_one_before(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        opened.break_file()
        at_once = await opened.hub.claim("device", "session-1")
        await opened.all_written()
        opened.hub.share()  # from here on the file gives them
        by_the_file = await opened.hub.claim("device", "session-2")
        assert by_the_file.number > at_once.number
        await opened.hub.save(by_the_file, b"state")


async def test_a_provisional_claim_saves_when_the_store_is_back(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        await opened.leave_something("device")
        opened.lock()
        claim = await opened.hub.claim("device", "session-1")
        saving = asyncio.ensure_future(opened.hub.save(claim, b"newer"))
        await asyncio.sleep(0.05)
        assert not saving.done()  # nothing is acknowledged that is not kept
        opened.unlock()
        await saving
        assert (await opened.hub.claim("device", "session-2")).state == b"newer"
        assert opened.troubles == ["database is locked", "None"]


async def test_reads_say_that_the_store_is_away(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        opened.lock()
        with pytest.raises(HubDownError):
            await opened.hub.events()
        with pytest.raises(HubDownError):
            await opened.hub.where("device")
        opened.unlock()


async def test_events_beyond_what_may_wait_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        opened.lock()
        monkeypatch.setattr(opened.hub._writer, "_most_waiting", 4)
        for _ in range(5):
            opened.hub.emit("device", "online", b"{}")
        assert opened.hub.events_lost == 2
        opened.unlock()


async def test_rows_and_memos_beyond_what_may_wait_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        opened.lock()
        monkeypatch.setattr(opened.hub._writer, "_most_waiting", 4)
        for number in range(3):
            opened.hub.keep_rows([Row(5.0, number, b"")], {5.0: (0, 9)})
        opened.hub.keep_rows([Row(5.0, 8, b""), Row(5.0, 9, b"")], {5.0: (0, 9)})
        opened.hub.keep_memo("alerts", b"{}")
        assert opened.hub.writing().own_lost == 3
        assert opened.hub.writing().events_lost == 0
        opened.unlock()


async def test_events_that_can_never_be_written_are_counted_and_told_once(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        told: list[tuple[int, Exception | None]] = []
        opened.hub.on_dropped = lambda *dropped: told.append(dropped)
        for device_id in ("\ud800", "device", "\ud801"):
            opened.hub.emit(device_id, "online", b"{}")
        events = await opened.hub.events()
        for _ in range(2):
            opened.hub.each_second()
        assert [event.device_id for event in events] == ["device"]
        assert opened.hub.writing().events_lost == 2
        [(count, error)] = told
        assert count == 2
        assert isinstance(error, UnicodeEncodeError)


async def test_a_small_drift_of_the_clocks_moves_no_window(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        opened.clock.step_wall(1.9)
        opened.hub.each_second()
        assert opened.hub.waiting == 0
        opened.clock.step_wall(2.1)
        opened.hub.each_second()
        assert opened.hub.waiting == 1


async def test_a_claim_that_found_no_room_is_made_up_for_before_its_session_saves(
    tmp_path: Path,
) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        await opened.leave_something("device")
        with opened.no_room():
            claim = await opened.hub.claim("device", "session-1")
        assert claim.provisional
        await opened.hub.save(claim, b"later")
        newer = await opened.hub.claim("device", "session-2")
        assert newer.state == b"later"
        with pytest.raises(ReplacedError):
            await opened.hub.save(claim, b"too late")


async def test_a_claim_that_found_no_room_is_forgotten_for_a_newer_one(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        await opened.leave_something("device")
        with opened.no_room():
            await opened.hub.claim("device", "session-1")
        newer = await opened.hub.claim("device", "session-2")
        opened.hub.each_second()
        await opened.hub.save(newer, b"its own")
        assert (await opened.hub.claim("device", "session-3")).state == b"its own"


async def test_a_claim_that_found_no_room_leaves_with_its_session(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        await opened.leave_something("device")
        with opened.no_room():
            claim = await opened.hub.claim("device", "session-1")
            with pytest.raises(HubDownError):
                await opened.hub.release(claim, b"lost", 60.0)
        opened.hub.each_second()
        assert opened.hub.waiting == 0


@pytest.mark.parametrize("living_is", ["written", "refused"])
async def test_a_claim_that_found_no_room_and_is_handed_back_takes_nothing(
    tmp_path: Path, living_is: str
) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        await opened.leave_something("device")
        if living_is == "written":
            living = await opened.hub.claim("device", "session-1")
        with opened.no_room():
            if living_is == "refused":
                living = await opened.hub.claim("device", "session-1")
            nothing = await opened.hub.claim("device", "session-2")
            opened.hub.hand_back(nothing, "session-1")
        opened.hub.each_second()
        await opened.hub.save(living, b"its own")
        with pytest.raises(ReplacedError):
            await opened.hub.save(nothing, b"of nobody")
        assert (await opened.hub.claim("device", "session-3")).state == b"its own"


@pytest.mark.parametrize(("later_s", "left"), [(0.0, 1), (3_600.0, 0)])
async def test_a_wall_clock_that_is_set_forward_makes_no_history_old(
    tmp_path: Path, later_s: float, left: int
) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        opened.hub.emit("device", "online", b"{}")
        opened.clock.step_wall(30 * 86_400.0)
        opened.hub.each_second()
        opened.clock.advance(later_s + 10.0)
        opened.hub.each_second()
        assert len(await opened.hub.events()) == left


@pytest.mark.parametrize(("age_s", "left"), [(3_589.0, 1), (3_600.0, 0)])
async def test_what_is_too_old_is_forgotten_by_itself(
    tmp_path: Path, age_s: float, left: int
) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        opened.hub.emit("device", "online", b"{}")
        opened.clock.advance(age_s)
        opened.hub.each_second()
        opened.clock.advance(10.0)
        opened.hub.each_second()
        assert len(await opened.hub.events()) == left


async def test_a_backup_is_made_while_devices_come_and_go(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        going_on = True

        async def churn() -> None:
            number = 0
            while going_on:
                claim = await opened.hub.claim("device", f"session-{number}")
                await opened.hub.release(claim, str(number).encode(), 60.0)
                number += 1

        churning = asyncio.create_task(churn())
        await asyncio.sleep(0.05)
        await asyncio.to_thread(back_up, opened.path, tmp_path / "backup.db")
        going_on = False
        await churning
    copy = sqlite3.connect(tmp_path / "backup.db")
    assert copy.execute("pragma integrity_check").fetchone() == ("ok",)
    assert copy.execute("select count(*) from own").fetchone() == (1,)
    copy.close()


async def test_stopping_writes_what_waits(tmp_path: Path) -> None:
    path = tmp_path / "keepline.db"
    async with Opened(path) as opened:
        opened.hub.emit("device", "online", b"{}")
    with sqlite3.connect(path) as connection:
        assert connection.execute("select count(*) from event").fetchone() == (1,)
    connection.close()


async def test_stopping_tells_how_much_could_not_be_written(tmp_path: Path) -> None:
    opened = Opened(tmp_path / "keepline.db")
    await opened.hub.start(CountingNode(), 60.0)
    opened.lock()
    opened.hub.emit("device", "online", b"{}")
    assert await opened.hub.stop(0.05) == 1
    opened.unlock()
    opened._other.close()
    opened.executor.shutdown()


async def test_a_fleet_that_comes_at_once_is_claimed_in_few_transactions(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        applied: list[int] = []
        database: Any = opened.hub._database
        apply = database.apply

        def counted(operations: Any) -> Any:
            applied.append(len(operations))
            return apply(operations)

        database.apply = counted
        await asyncio.gather(*(opened.hub.claim(f"device-{n}", f"s-{n}") for n in range(1_000)))
        await eventually(lambda: opened.hub.waiting == 0)
        assert sum(applied) == 1_000
        assert len(applied) <= 5


async def test_what_may_wait_is_forgotten_later(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        hub = opened.hub
        hub.may_wait = lambda: True
        opened.clock.advance(PRUNE_EACH_S)
        hub.each_second()
        for _ in range(1_500):
            hub.emit("d", "online", b"{}")
        opened.clock.advance(PRUNE_LATER_S - 1)
        hub.each_second()
        [oldest] = await hub.events(limit=1)
        assert oldest.id == 1
        opened.clock.advance(1)
        hub.each_second()
        [oldest] = await hub.events(limit=1)
        assert oldest.id == 501


async def test_a_storm_of_events_is_forgotten_as_fast_as_it_comes(tmp_path: Path) -> None:
    async with Opened(tmp_path / "keepline.db") as opened:
        hub = opened.hub
        for _ in range(3 * PRUNE_ROWS + 1_000):
            hub.emit("d", "online", b"{}")
        opened.clock.advance(PRUNE_EACH_S)
        for _ in range(4):
            hub.each_second()
            await hub.events(limit=1)
            opened.clock.advance(1.0)
        [oldest] = await hub.events(limit=1)
        assert oldest.id == 3 * PRUNE_ROWS + 1
