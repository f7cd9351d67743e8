"""`keepline upgrade` under a fleet: nobody is refused, nothing is lost, each comes back once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from keepline.app import line
from tests.process.counting import COUNTER, PAUSE_S, Fleet
from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, TOKEN, get, whole_lines
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="hands sockets over as Linux does")

DEVICES = 200
NEWCOMERS_PER_S = 20
PATIENT = ("--set", "profiles.xiaozhi.hello_timeout_s=20")  # its devices share one loop
LINGERS = ("--set", "drain.unready_s=300", "--set", "drain.limit_s=400")


class Served:
    """A gateway, the processes it has had, and its log."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.data = directory / "data"
        self.log_file = directory / "log"
        (directory / "counter.py").write_text(COUNTER)
        command = [*KEEPLINE, "serve", "counter:Counter", *PORTS, "--token", TOKEN, *PATIENT]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--data", str(self.data), *options], stderr=log, cwd=directory
            )

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(each) for each in whole_lines(self.log_file)]
        return [each for each in lines if each["event"] == event]

    async def started(self, times: int = 1) -> dict[str, Any]:
        def is_there() -> bool:
            return len(self.logged("started")) >= times

        await eventually(is_there, within_s=GIVE_UP_AFTER_S)
        return self.logged("started")[-1]

    @property
    def heirs(self) -> list[int]:
        return [each["heir"] for each in self.logged("upgrade_begins")]

    async def upgrade(self, *options: str) -> tuple[int, str]:
        """Run the command; return its status and what it said."""
        process = await asyncio.create_subprocess_exec(
            *(*KEEPLINE, "upgrade", "--data", str(self.data), *options),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(process.communicate(), 2 * GIVE_UP_AFTER_S)
        assert process.returncode is not None
        return process.returncode, said.decode()

    def end(self) -> None:
        for pid in self.heirs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.end()


@pytest.fixture
def sleeper(tmp_path: Path) -> str:
    """A program that never gets ready."""
    sleeper = tmp_path / "sleeper"
    sleeper.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(3600)\n")
    sleeper.chmod(0o700)
    return str(sleeper)


async def upgraded_under_a_fleet(
    served: Served, devices: int, upgrades: int = 1, pause_s: float = PAUSE_S
) -> Fleet:
    fleet = Fleet((await served.started())["port"], pause_s)
    async with asyncio.TaskGroup() as group:
        for number in range(devices):
            group.create_task(fleet.live(f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"))

        async def come_and_go() -> None:
            number = 0
            while not fleet.is_over:
                number += 1
                group.create_task(fleet.visit(f"visitor-{number}"))
                await asyncio.sleep(1 / NEWCOMERS_PER_S)

        group.create_task(come_and_go())
        await eventually(lambda: len(fleet.acknowledged) >= devices, within_s=60)
        for _ in range(upgrades):
            status, said = await served.upgrade()
            assert status == 0, said
        await asyncio.sleep(2 * pause_s)
        fleet.is_over = True
    return fleet


def check(fleet: Fleet, served: Served, upgrades: int = 1) -> None:
    assert fleet.refused == []
    assert fleet.wrong == []
    assert set(fleet.connects.values()) <= set(range(1, upgrades + 2))
    assert not any(name.startswith("visitor") and n > 1 for name, n in fleet.connects.items())
    for event in ("state_lost", "store_away", "elder_too_slow", "writes_lost", "task_failed"):
        assert served.logged(event) == []
    assert [each["devices"] for each in served.logged("elder_gone")] == [0] * upgrades


async def test_an_upgrade_under_a_fleet_refuses_nobody_and_loses_nothing(served: Served) -> None:
    fleet = await upgraded_under_a_fleet(served, DEVICES)
    check(fleet, served)
    assert Counter(fleet.connects.values())[2] >= DEVICES * 0.9
    assert served.process.wait(GIVE_UP_AFTER_S) == 0
    [pid] = served.heirs
    os.kill(pid, signal.SIGTERM)
    await eventually(lambda: len(served.logged("stopped")) == 2, within_s=GIVE_UP_AFTER_S)
    assert not (served.data / line.FILE_NAME).exists()


async def test_a_process_that_was_an_heir_has_one_itself(served: Served) -> None:
    fleet = await upgraded_under_a_fleet(served, 20, upgrades=2)
    check(fleet, served, upgrades=2)


async def test_who_cannot_start_changes_nothing(served: Served) -> None:
    started = await served.started()
    status, said = await served.upgrade("--exec", "/bin/false")
    assert (status, "ended with status 1" in said) == (2, True)
    status, said = await served.upgrade("--exec", "/nowhere/keepline")
    assert (status, "cannot start /nowhere/keepline" in said) == (2, True)
    assert get(started["admin_port"], "/readyz")[0] == 200
    assert served.process.poll() is None
    status, said = await served.upgrade()  # and it can be upgraded all the same
    assert status == 0, said


async def test_who_is_not_ready_in_time_is_ended(served: Served, sleeper: str) -> None:
    await served.started()
    status, said = await served.upgrade("--exec", sleeper, "--wait", "1")
    assert (status, "was not ready within 1 s" in said) == (2, True)
    [pid] = served.heirs
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert served.process.poll() is None


async def test_an_upgrade_ends_with_who_asked_for_it_as_long_as_nothing_has_changed(
    served: Served, sleeper: str
) -> None:
    await served.started()
    with line.connect(served.data, GIVE_UP_AFTER_S) as asks:
        line.send(
            asks,
            {
                "ask": "upgrade",
                "version": line.VERSION,
                "program": sleeper,
                "patience_s": 600,
            },
        )
        assert line.receive(asks)[0]["told"] == "starting"
        with line.connect(served.data, GIVE_UP_AFTER_S) as second:
            line.send(second, {"ask": "upgrade", "version": line.VERSION})
            assert "is under way" in line.receive(second)[0]["why"]
    await eventually(lambda: served.logged("upgrade_undone"), within_s=GIVE_UP_AFTER_S)
    assert served.process.poll() is None


async def test_a_gateway_that_is_stopped_meanwhile_takes_its_heir_with_it(
    served: Served, sleeper: str
) -> None:
    await served.started()
    upgrading = asyncio.create_task(served.upgrade("--exec", sleeper))
    await eventually(lambda: served.heirs, within_s=GIVE_UP_AFTER_S)
    served.process.terminate()
    status, said = await upgrading
    assert (status, "told to stop meanwhile" in said) == (2, True)
    assert served.process.wait(GIVE_UP_AFTER_S) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(served.heirs[0], 0)


async def test_a_process_that_is_killed_while_it_drains_leaves_its_devices_to_its_heir(
    served: Served,
) -> None:
    fleet = Fleet((await served.started())["port"])
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(fleet.live(f"device-{2 * number}"))
        await eventually(lambda: len(fleet.acknowledged) == 5, within_s=GIVE_UP_AFTER_S)
        upgrading = asyncio.create_task(served.upgrade())
        await eventually(lambda: served.logged("handed_over"), within_s=GIVE_UP_AFTER_S)
        served.process.kill()
        await upgrading
        await eventually(lambda: set(fleet.connects.values()) == {2}, within_s=GIVE_UP_AFTER_S)
        await asyncio.sleep(PAUSE_S)
        fleet.is_over = True
    assert fleet.refused == fleet.wrong == []
    assert set(fleet.connects.values()) == {2}
    assert len(served.logged("elder_gone")) == 1


async def test_a_device_that_comes_to_the_heir_while_the_elder_has_it_brings_all_it_had(
    tmp_path: Path,
) -> None:
    served = Served(tmp_path, *LINGERS)
    try:
        fleet = Fleet((await served.started())["port"])
        async with await fleet.connected("device-1") as older:
            for _ in range(3):
                await fleet.count("device-1", older)  # kept in memory alone
            upgrading = asyncio.create_task(served.upgrade())
            await served.started(times=2)
            async with await fleet.connected("device-1") as newer:
                await fleet.count("device-1", newer)
                assert fleet.acknowledged["device-1"] == 4
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(older.recv(), GIVE_UP_AFTER_S)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4001
        assert fleet.wrong == []
        for number in (signal.SIGTERM, signal.SIGINT):  # to stop, and to hurry
            served.process.send_signal(number)
        status, said = await upgrading
        assert status == 0, said
    finally:
        served.end()


async def told(admin_port: int, *words: str) -> tuple[int, str]:
    """Run a command for operators; return its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(*KEEPLINE, *words, "--admin-url", f"http://127.0.0.1:{admin_port}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 2 * GIVE_UP_AFTER_S)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_operators_reach_devices_that_the_former_process_still_has(tmp_path: Path) -> None:
    served = Served(tmp_path, *LINGERS)
    try:
        port = (await served.started())["port"]
        fleet = Fleet(port)
        upgrading = None
        async with await fleet.connected("older") as older:
            upgrading = asyncio.create_task(served.upgrade())
            await eventually(lambda: served.logged("handed_over"), within_s=GIVE_UP_AFTER_S)
            admin = (await served.started(times=2))["admin_port"]
            async with await fleet.connected("newer"):
                status, said = await told(admin, "sessions")
                assert (status, "2 connected" in said) == (0, True), said
                assert said.count("in the process that leaves") == 1
                status, said = await told(admin, "device", "older")
                assert (status, "older has been connected" in said) == (0, True), said
                assert "in the process that leaves" in said
                status, said = await told(admin, "send", "older", '{"type":"custom","payload":1}')
                assert status == 0, said
                assert json.loads(await older.recv())["payload"] == 1
                status, said = await told(admin, "kick", "nobody")
                assert (status, "nobody is not connected" in said) == (2, True), said
                status, said = await told(admin, "kick", "older")
                assert status == 0, said
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(older.recv(), GIVE_UP_AFTER_S)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4002
                status, said = await told(admin, "sessions")
                assert (status, "1 connected" in said) == (0, True), said
    finally:
        served.end()
        if upgrading is not None:
            await upgrading


async def test_a_directory_without_a_gateway_is_told(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*KEEPLINE, "upgrade", "--data", str(tmp_path)), stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"no gateway that can be upgraded" in said
