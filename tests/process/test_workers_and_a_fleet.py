"""Two workers under a fleet: one is killed, all are renewed, all leave; no count is off."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepline.app import line
from tests.process.counting import COUNTER, Fleet
from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, TOKEN, whole_lines
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="workers are for Linux")

DEVICES = 200
LONG_S = 60.0


class Machine:
    """A gateway of two workers and a NATS server of their own, by its log."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.run = Path(tempfile.mkdtemp(prefix="k"))  # short: sockets are in it
        self._log = folder / "log"
        (folder / "counter.py").write_text(COUNTER)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, or start it again on what it has left."""
        command = [*KEEPLINE, "serve", "counter:Counter", *PORTS, "--token", TOKEN]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "2", "--data", str(self.data)],
                stderr=log,
                cwd=self._log.parent,
                env={**os.environ, "TMPDIR": str(self.run)},
            )
        return self.process

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(each) for each in whole_lines(self._log)]
        return [each for each in lines if each["event"] == event]

    async def is_up(self, times: int = 1) -> dict[str, Any]:
        await eventually(
            lambda: len(self.logged("workers_started")) >= times, within_s=GIVE_UP_AFTER_S
        )
        return self.logged("workers_started")[-1]

    def engines(self) -> list[int]:
        """Return the NATS servers that this gateway has had."""
        return [int(each.stem.rpartition("_")[2]) for each in self.run.rglob("nats-server_*.ports")]

    def pid_of(self, worker: int) -> int:
        return int(next(x["pid"] for x in self.logged("worker_ready") if x["worker"] == worker))

    def processes(self) -> list[int]:
        """Return every process of this gateway that lives."""
        told = [*self.logged("worker_ready"), *self.logged("broker_ready")]
        pids = [self.process.pid, *(each["pid"] for each in told), *self.engines()]
        return [pid for pid in pids if lives(pid)]

    async def held(self) -> dict[int, list[str]]:
        """Return whom each worker has."""
        port = (await self.is_up())["admin_port"]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as asks:
            workers = (await asks.get("/api/workers", timeout=GIVE_UP_AFTER_S)).json()["workers"]
            found = {}
            for slot in (each["worker"] for each in workers):
                path = f"/workers/{slot}/api/sessions?limit=1000"
                page = (await asks.get(path, timeout=GIVE_UP_AFTER_S)).json()
                found[slot] = [each["device_id"] for each in page["sessions"]]
            return found

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.run, ignore_errors=True)


def lives(pid: int) -> bool:
    try:
        said = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return said.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path)
    yield found
    found.end()


@asynccontextmanager
async def under_a_fleet(machine: Machine, ids: list[str]) -> AsyncIterator[Fleet]:
    """Give devices that live until the block is over; each has counted once when it begins."""
    fleet = Fleet((await machine.is_up())["port"])
    async with asyncio.TaskGroup() as group:
        for each in ids:
            group.create_task(fleet.live(each))
        await eventually(lambda: len(fleet.acknowledged) == len(ids), within_s=LONG_S)
        yield fleet
        fleet.is_over = True


async def count_on(fleet: Fleet, ids: list[str]) -> None:
    """Wait until each of them has counted two more."""
    before = dict(fleet.acknowledged)
    await eventually(
        lambda: all(fleet.acknowledged[each] >= before[each] + 2 for each in ids), within_s=LONG_S
    )


async def test_of_a_worker_that_is_killed_every_device_is_back_with_what_was_saved(
    machine: Machine,
) -> None:
    ids = [f"02:00:00:00:{number:02x}:02" for number in range(DEVICES)]  # saved each time
    async with under_a_fleet(machine, ids) as fleet:
        before = await machine.held()
        assert sorted(each for held in before.values() for each in held) == ids
        lost = set(before[1])
        assert len(lost) > DEVICES / 4
        os.kill(machine.pid_of(1), signal.SIGKILL)
        await eventually(lambda: all(fleet.connects[each] == 2 for each in lost), within_s=LONG_S)
        await count_on(fleet, ids)
        await eventually(lambda: len(machine.logged("worker_ready")) == 3, within_s=LONG_S)
        after = await machine.held()
    assert Counter(each for held in after.values() for each in held) == Counter(ids)
    assert {each for each, times in fleet.connects.items() if times > 1} == lost
    assert (fleet.refused, fleet.wrong) == ([], [])


async def test_an_upgrade_under_a_fleet_refuses_nobody_and_loses_nothing(
    machine: Machine,
) -> None:
    ids = [f"02:00:00:00:01:{number:02x}" for number in range(100)]
    async with under_a_fleet(machine, ids) as fleet:
        command = [*KEEPLINE, "upgrade", "--data", str(machine.data)]
        upgrading = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        _, said = await asyncio.wait_for(upgrading.communicate(), 2 * GIVE_UP_AFTER_S)
        assert upgrading.returncode == 0, said
        await count_on(fleet, ids)
        after = await machine.held()
    assert sorted(after) == [3, 4]
    assert Counter(each for held in after.values() for each in held) == Counter(ids)
    assert (fleet.refused, fleet.wrong) == ([], [])
    assert set(fleet.connects.values()) == {2}


async def test_all_leave_together_and_nothing_is_left(machine: Machine) -> None:
    ids = [f"02:00:00:00:02:{number:02x}" for number in range(20)]
    fleet = Fleet((await machine.is_up())["port"])
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(await fleet.connected(x)) for x in ids]
        assert len(machine.processes()) == 5
        machine.process.terminate()
        for each in connections:
            await each.wait_closed()
    assert await asyncio.to_thread(machine.process.wait, LONG_S) == 0
    assert machine.processes() == []
    assert list(machine.run.iterdir()) == []
    assert [each["sent"] + each["forced"] for each in machine.logged("stopped") if "sent" in each]
    for event in ("writes_lost", "task_failed", "stop_step_failed", "left_behind"):
        assert machine.logged(event) == []


async def test_when_the_engine_is_killed_devices_stay_and_count_on(machine: Machine) -> None:
    ids = [f"02:00:00:00:03:{number:02x}" for number in range(20)]
    async with under_a_fleet(machine, ids) as fleet:
        [engine] = machine.engines()
        os.kill(engine, signal.SIGKILL)
        await eventually(lambda: machine.logged("broker_ended"), within_s=LONG_S)
        await count_on(fleet, ids)
        for number in range(100):
            await fleet.visit(f"visitor-{number}")
            if fleet.connects[f"visitor-{number}"]:
                break
        assert fleet.connects[f"visitor-{number}"]
    assert {fleet.connects[each] for each in ids} == {1}
    assert fleet.wrong == []


async def test_when_who_looks_after_them_is_killed_all_is_saved_and_the_engine_stops_last(
    machine: Machine,
) -> None:
    ids = [f"02:00:00:00:04:{number:02x}" for number in range(20)]  # half are saved at the end
    fleet = Fleet((await machine.is_up())["port"])
    async with AsyncExitStack() as stack:
        for each in ids:
            connection = await stack.enter_async_context(await fleet.connected(each))
            await fleet.count(each, connection)
        everybody = machine.processes()
        machine.process.kill()
        machine.process.wait()
    await eventually(lambda: not any(map(lives, everybody)), within_s=LONG_S)
    assert machine.logged("writes_lost") == []
    machine.start()
    again = Fleet((await machine.is_up(2))["port"])
    for each in ids:
        again.acknowledged[each] = fleet.acknowledged[each]
        async with await again.connected(each) as connection:
            await again.count(each, connection)
    assert again.wrong == []
