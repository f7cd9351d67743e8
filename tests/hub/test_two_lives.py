"""Two hubs on one file: while one process leaves and the next has begun already."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from keepline.clock import ManualClock
from keepline.errors import ReplacedError
from keepline.hub.database import Database
from keepline.hub.local import PRUNE_EACH_S, LocalHub, Retention
from keepline.hub.port import Outcome
from tests.hub.stand_ins import WINDOW_S, CountingNode
from tests.hub.test_local import Breaks

DEVICES = 40
SESSIONS_EACH = 15


class Life:
    """One process: its hub, its node, and what its hub complained of."""

    def __init__(self, name: str, path: Path, clock: ManualClock) -> None:
        self.name = name
        self.node = CountingNode(name)
        self.troubles: list[Exception] = []
        self.executor = ThreadPoolExecutor(max_workers=1)
        self.hub = LocalHub(
            Database(path),
            node=name,
            loop=asyncio.get_running_loop(),
            executor=self.executor,
            clock=clock,
            retention=Retention(3_600.0, 1_000_000, 1 << 30),
            on_trouble=lambda trouble: self.troubles.append(trouble) if trouble else None,
        )
        self.node.hub = self.hub

    @contextmanager
    def slow_disk(self) -> Iterator[None]:
        """Whatever it writes comes to the file afterwards."""
        goes_on = threading.Event()
        self.executor.submit(goes_on.wait)
        yield
        goes_on.set()

    async def give_up(self, device_id: str) -> None:
        """As a process does whose heir asks for a device."""
        if device_id in self.node.sessions:
            await self.node.close(device_id)


Begin = Callable[..., Awaitable[Life]]


def set_aside(directory: Path) -> list[str]:
    return [path.name for path in directory.glob("*.broken-?")]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def begin(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Begin]:
    lives: list[Life] = []

    async def begin(name: str, elder: Life | None = None) -> Life:
        life = Life(name, tmp_path / "keepline.db", clock)
        lives.append(life)
        if elder is not None:
            elder.hub.share()  # as a process does before it lets its heir begin
        await life.hub.start(life.node, WINDOW_S, elder)
        return life

    yield begin
    for life in lives:
        await life.hub.stop(5.0)
        life.executor.shutdown()


async def test_the_heir_leaves_to_a_living_process_what_it_holds(begin: Begin) -> None:
    elder = await begin("first")
    claim = await elder.hub.claim("device", "session-1")
    elder.node.open(claim)
    await begin("second", elder)
    await elder.hub.save(claim, b"still mine")
    where = await elder.hub.where("device")
    assert where is not None
    assert (where.node, where.claim) == ("first", claim.number)


async def test_numbers_grow_over_both(begin: Begin) -> None:
    elder = await begin("first")
    numbers = [(await elder.hub.claim("device-0", "session-0")).number]
    heir = await begin("second", elder)
    for number in range(10):
        hub = (elder, heir)[number % 2].hub
        numbers.append((await hub.claim(f"device-{number % 3}", f"session-{number}")).number)
    await heir.hub.outlive(WINDOW_S)
    numbers.append((await heir.hub.claim("device-0", "session-10")).number)
    assert numbers == sorted(set(numbers))


async def test_a_process_whose_heir_came_to_nothing_finds_what_that_has_kept(begin: Begin) -> None:
    elder = await begin("first")
    heir = await begin("second", elder)
    claim = await heir.hub.claim("device", "session-1")
    await heir.hub.release(claim, b"state", WINDOW_S)
    await elder.hub.be_alone()
    again = await elder.hub.claim("device", "session-2")
    assert (again.outcome, again.state) == (Outcome.RESUMED, b"state")
    assert again.number > claim.number


async def test_an_older_claim_can_neither_save_nor_release(begin: Begin) -> None:
    elder = await begin("first")
    older = await elder.hub.claim("device", "session-1")
    await elder.hub.save(older, b"older")
    heir = await begin("second", elder)
    newer = await heir.hub.claim("device", "session-2")
    assert (newer.outcome, newer.state) == (Outcome.RESUMED, b"older")
    await heir.hub.save(newer, b"newer")
    with pytest.raises(ReplacedError):
        await elder.hub.save(older, b"too late")
    await elder.hub.release(older, b"too late, too", WINDOW_S)
    assert (await heir.hub.claim("device", "session-3")).state == b"newer"


@pytest.mark.parametrize("newer_is", ["held", "released"])
@pytest.mark.parametrize("is_asked_for", ["before", "after"])
async def test_an_older_claim_that_is_written_late_takes_nothing_from_a_newer_one(
    begin: Begin, clock: ManualClock, is_asked_for: str, newer_is: str
) -> None:
    elder = await begin("first")
    if is_asked_for == "after":  # the heir was told what it inherits: the file gives the number
        elder.hub.share()
    with elder.slow_disk():
        claiming = asyncio.ensure_future(elder.hub.claim("device", "session-1"))
        await asyncio.sleep(0)
        heir = await begin("second", elder)
        clock.advance(1.0)
        newer = await heir.hub.claim("device", "session-2")
        if newer_is == "released":
            await heir.hub.release(newer, b"newer", WINDOW_S)
    older = await claiming
    with pytest.raises(ReplacedError):
        await elder.hub.save(older, b"older")
    await elder.hub.release(older, b"older, too", WINDOW_S)
    if newer_is == "held":
        await heir.hub.save(newer, b"newer")
    assert (await heir.hub.claim("device", "session-3")).state == b"newer"


async def test_a_state_that_a_newer_claim_has_left_keeps_its_window(
    begin: Begin, clock: ManualClock
) -> None:
    elder = await begin("first")
    await elder.hub.save(await elder.hub.claim("device", "session-1"), b"older")
    with elder.slow_disk():
        claiming = asyncio.ensure_future(elder.hub.claim("device", "session-2"))
        await asyncio.sleep(0)
        heir = await begin("second", elder)
        newer = await heir.hub.claim("device", "session-3")
        await heir.hub.release(newer, b"newer", WINDOW_S)
    await claiming
    clock.advance(WINDOW_S)
    assert (await heir.hub.claim("device", "session-4")).outcome is Outcome.EXPIRED


async def test_a_device_that_has_gone_over_is_no_longer_said_to_be_here(begin: Begin) -> None:
    elder = await begin("first")
    elder.node.open(await elder.hub.claim("device", "session-1"))
    heir = await begin("second")
    heir.node.open(await heir.hub.claim("device", "session-2"))
    assert (await heir.hub.where("device")) is not None  # its claim is written
    assert await elder.hub.where("device") is None


async def test_what_only_the_elders_memory_had_comes_with_its_device(begin: Begin) -> None:
    elder = await begin("first")
    elder.node.open(await elder.hub.claim("device", "session-1"))
    heir = await begin("second", elder)
    heir.node.open(await heir.hub.claim("device", "session-2"))
    assert heir.node.state("device") == b"2"
    assert elder.node.sessions == {}


async def test_what_an_elder_held_to_the_end_waits_from_then_on(
    begin: Begin, clock: ManualClock
) -> None:
    elder = await begin("first")
    await elder.hub.save(await elder.hub.claim("device", "session-1"), b"state")
    heir = await begin("second", elder)
    mine = await heir.hub.claim("mine", "session-2")
    clock.advance(10 * WINDOW_S)
    assert await heir.hub.outlive(WINDOW_S) == 1
    await heir.hub.save(mine, b"mine")
    clock.advance(WINDOW_S - 1)
    assert (await heir.hub.claim("device", "session-3")).state == b"state"


async def test_one_of_the_two_moves_the_windows_when_the_clock_is_set(
    begin: Begin, clock: ManualClock
) -> None:
    elder = await begin("first")
    heir = await begin("second", elder)
    heir.hub.keeps_house = False
    clock.step_wall(100.0)
    for life in (elder, heir):
        life.hub.each_second()
    assert (elder.hub.waiting, heir.hub.waiting) == (1, 0)
    clock.advance(PRUNE_EACH_S)
    heir.hub.each_second()
    assert heir.hub.waiting == 0


@pytest.mark.parametrize("by_s", [-1.5, 1.5, -100.0])
async def test_a_clock_that_is_set_while_both_claim_takes_no_device_from_the_newer_claim(
    begin: Begin, clock: ManualClock, by_s: float
) -> None:
    elder = await begin("first")
    heir = await begin("second", elder)
    heir.hub.keeps_house = False
    before = await heir.hub.claim("device", "session-1")
    clock.step_wall(by_s)
    for life in (elder, heir):
        life.hub.each_second()
    clock.advance(1.0)
    older = await elder.hub.claim("device", "session-2")
    await elder.hub.save(older, b"older")
    with pytest.raises(ReplacedError):
        await heir.hub.save(before, b"too late")
    clock.advance(0.1)
    newer = await heir.hub.claim("device", "session-3")
    assert newer.state == b"older"
    await heir.hub.save(newer, b"newer")


async def test_a_file_that_the_other_has_set_aside_is_not_set_aside_again(
    begin: Begin, tmp_path: Path
) -> None:
    elder = await begin("first")
    heir = await begin("second", elder)
    await heir.hub._writer.ask(Breaks())
    claim = await heir.hub.claim("device", "session-1")
    await heir.hub.save(claim, b"state")
    await elder.hub._writer.ask(Breaks())
    assert set_aside(tmp_path) == ["keepline.db.broken-1"]
    await heir.hub.save(claim, b"newer state")
    assert (await elder.hub.claim("device", "session-2")).state == b"newer state"


async def test_devices_hop_between_two_writers_and_no_session_is_forgotten(begin: Begin) -> None:
    elder = await begin("first")
    heir = await begin("second", elder)
    numbers: list[int] = []

    async def live(device_id: str, moves_at: int) -> None:
        for number in range(SESSIONS_EACH):
            life = elder if number < moves_at else heir
            claim = await life.hub.claim(device_id, f"{device_id}-{number}")
            numbers.append(claim.number)
            life.node.open(claim)
            await life.hub.save(claim, life.node.state(device_id))
            life.hub.emit(device_id, "online", b"{}")

    # Some are still on one process while the others have long gone over.
    early = [live(f"early-{number}", 3) for number in range(DEVICES)]
    await asyncio.gather(*early, *(live(f"late-{number}", 12) for number in range(DEVICES)))
    assert len(set(numbers)) == len(numbers) == 2 * DEVICES * SESSIONS_EACH
    assert {count for _, count in heir.node.sessions.values()} == {SESSIONS_EACH}
    assert len(heir.node.sessions) == 2 * DEVICES
    assert len(await heir.hub.events(limit=10_000)) == 2 * DEVICES * SESSIONS_EACH
    assert elder.troubles == heir.troubles == []
