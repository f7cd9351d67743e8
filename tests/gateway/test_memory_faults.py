"""The memory of devices under a whole gateway, with its file taken away, filled, and hurried."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from keepline import Gateway, Handler, Session
from keepline.hub import writer
from keepline.hub.local import LocalHub
from keepline.messages import Custom, DeviceMessage
from keepline.reasons import CloseReason
from tests.conftest import TOKEN
from tests.gateway.peers import dial, heard
from tests.waiting import PATIENCE_S, eventually

HELLO = '{"type":"hello","features":{"resume":true}}'
COUNT = '{"type":"custom","payload":"count"}'
FILL = '{"type":"custom","payload":"fill"}'
SAVE = '{"type":"custom","payload":"save"}'


class Counter(Handler):
    """Counts, and tells how far it is and how it began."""

    def __init__(self) -> None:
        self.count = 0
        self.filling = b""

    def restore(self, state: bytes) -> None:
        self.count = int(state)

    def snapshot(self) -> bytes:
        return str(self.count).encode()

    async def text(self, session: Session, message: DeviceMessage) -> None:
        assert isinstance(message, Custom)
        if message.payload == "save":
            await session.save(self.snapshot())
        elif message.payload == "fill":
            await session.save(b"0" * 60_000)
        else:
            self.count += 1
        session.send(Custom(payload=self.count))


class Hanging(Counter):
    async def closed(self, session: Session, reason: CloseReason) -> None:
        await asyncio.sleep(3_600)


class Running:
    """A gateway on a file, and another user of that file."""

    def __init__(self, path: Path, handler: type[Handler] = Counter, **sections: Any) -> None:
        self.log = StringIO()
        # Devices here come and go as fast as they can, which no real one may.
        often = {"flapping": {"enabled": False}}
        settings = {"data_dir": str(path), **often, **sections}
        self.gateway = Gateway(handler, settings, port=0, token=TOKEN, log=self.log)
        self.path = path / "keepline.db"
        self.other: sqlite3.Connection | None = None
        self._patience = pytest.MonkeyPatch()

    @property
    def hub(self) -> LocalHub:
        return cast("LocalHub", self.gateway.node.hub)

    def lock(self, patience_s: float = 0.2) -> None:
        """Have nothing written until `unlock`; who is not patient waits no longer than that."""
        self.other = sqlite3.connect(self.path, isolation_level=None)
        self.other.execute("begin immediate")
        self._patience.setattr(writer, "PATIENCE_S", patience_s)
        if self.hub._writer._watch is not None:  # with the patience of before
            self.hub._writer._watch.cancel()
            self.hub._writer._watch = None

    def unlock(self) -> None:
        assert self.other is not None
        self._patience.undo()
        self.other.close()

    async def pragma(self, text: str) -> int:
        """Set something on the gateway's own connection, in the thread that owns it."""

        def set_it() -> int:
            (value,) = self.hub._database._opened().execute(f"pragma {text}").fetchone()
            return int(value)

        return await asyncio.get_running_loop().run_in_executor(self.hub._executor, set_it)

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [
            line
            for line in map(json.loads, self.log.getvalue().splitlines())
            if line["event"] == event
        ]

    async def visit(self, *messages: str) -> tuple[str, list[int]]:
        """Connect, say hello and the messages; return how it was greeted, and the answers."""
        async with dial(self.gateway.port) as device:
            await device.send(HELLO)
            resume = (await heard(device))["resume"]
            answers = []
            for message in messages:
                await device.send(message)
                answers.append((await heard(device))["payload"])
            return resume, answers


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine is so busy that somebody is let in before the file has been asked."""
    monkeypatch.setattr(writer, "PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr(writer, "RETRY_MOST_S", 0.05)


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    running = Running(tmp_path)
    async with running.gateway:
        yield running


# -- locked --------------------------------------------------------------------------------


async def test_who_comes_while_the_file_is_locked_is_let_in_and_saved_later(
    running: Running,
) -> None:
    running.lock()
    async with dial(running.gateway.port) as device:
        await device.send(HELLO)
        assert (await heard(device))["resume"] == "new"
        await device.send(COUNT)
        assert (await heard(device))["payload"] == 1
        assert len(running.gateway.sessions) == 1
        running.unlock()
    await eventually(lambda: running.hub.waiting == 0)
    assert len(running.logged("device_disconnected")) == 1
    assert running.logged("device_left_before_hello") == []
    assert await running.visit(COUNT) == ("resumed", [2])


async def test_who_leaves_while_the_file_is_locked_finds_its_state_at_once(
    running: Running,
) -> None:
    await running.visit(COUNT)
    async with dial(running.gateway.port) as device:
        await device.send(HELLO)
        assert (await heard(device))["resume"] == "resumed"
        await device.send(COUNT)
        await heard(device)
        running.lock()
    await eventually(lambda: not running.gateway.sessions)
    assert await running.visit(COUNT) == ("resumed", [3])  # from memory: nothing could be asked
    running.unlock()
    await eventually(lambda: running.hub.waiting == 0)
    assert await running.visit(COUNT) == ("resumed", [4])


async def test_a_file_that_is_locked_to_the_end_is_told_and_costs_no_exit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepline.app.memory.LAST_WRITES_S", 0.1)
    running = Running(tmp_path)
    async with running.gateway:
        await running.visit(COUNT)
        await eventually(lambda: running.hub.waiting == 0)
        running.lock()
        await running.visit(COUNT)
    assert running.logged("writes_lost")[0]["count"] > 0
    running.unlock()
    again = Running(tmp_path)
    async with again.gateway:
        assert (await again.visit(COUNT))[1] == [2]  # what was acknowledged before


# -- full ----------------------------------------------------------------------------------


def is_away_told(running: Running, event: str) -> bool:
    """Once; a busy machine may have alerts of its own."""
    return [each["about"] for each in running.logged(event)].count("store_away") == 1


async def test_a_full_disk_acknowledges_nothing_and_loses_nothing(running: Running) -> None:
    await running.visit(COUNT)
    await eventually(lambda: running.hub.waiting == 0)
    pages = await running.pragma("page_count")
    await running.pragma(f"max_page_count = {pages}")
    async with dial(running.gateway.port) as device:
        await device.send(HELLO)
        assert (await heard(device))["resume"] == "resumed"
        await device.send(FILL)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(device.recv(), 0.3)
        await eventually(lambda: running.logged("store_away"))
        await eventually(lambda: is_away_told(running, "alert_opened"))
        await running.pragma("max_page_count = 1000000")
        assert (await heard(device))["payload"] == 1
    await eventually(lambda: running.hub.waiting == 0)
    assert running.logged("store_back")
    assert running.logged("state_lost") == []
    await eventually(lambda: is_away_told(running, "alert_resolved"))
    assert await running.visit(COUNT) == ("resumed", [2])


# -- hurried -------------------------------------------------------------------------------


async def test_a_takeover_is_resumed_while_the_older_handler_hangs(tmp_path: Path) -> None:
    running = Running(tmp_path, Hanging, session={"closed_timeout_s": 0.3})
    async with running.gateway:
        for expected in (1, 2, 3):  # each while those before still hang
            resume, counts = await running.visit(COUNT)
            assert (resume, counts) == ("new" if expected == 1 else "resumed", [expected])
        await eventually(lambda: not running.gateway.sessions and running.hub.waiting == 0)
        assert await running.visit(COUNT) == ("resumed", [4])


@pytest.mark.parametrize("politely", [True, False])
async def test_two_hundred_fast_reconnects_count_to_two_hundred(
    running: Running,
    politely: bool,  # noqa: FBT001
) -> None:
    """Each comes while the state of the one before is on its way to the file, or is still here."""
    for expected in range(1, 201):
        async with dial(running.gateway.port) as device:
            await device.send(HELLO)
            assert (await heard(device))["resume"] == ("new" if expected == 1 else "resumed")
            await device.send(COUNT)
            assert (await heard(device))["payload"] == expected
            if not politely:
                device.transport.abort()
    totals = await running.hub.totals("02:00:00:00:00:01")
    assert totals is not None
    assert totals.sessions >= 199
    events = await running.hub.events(limit=1_000)
    claims = [json.loads(each.data)["claim"] for each in events if each.kind == "online"]
    assert claims == sorted(set(claims))
    assert len(claims) == 200


async def test_two_connections_that_save_at_once_lose_no_acknowledged_count(
    running: Running,
) -> None:
    """The older one saves while it is being replaced; nothing of that is a handler's failure."""
    counted = 0
    for _ in range(30):
        async with dial(running.gateway.port) as older:
            await older.send(HELLO)
            await heard(older)
            await older.send(COUNT)
            counted += 1
            assert (await heard(older))["payload"] == counted
            await older.send(SAVE)
            assert await running.visit() == ("resumed", [])
    assert running.gateway.node.counters.handler_failures == 0
    assert await running.visit(COUNT) == ("resumed", [counted + 1])


async def test_who_gives_up_its_claim_leaves_the_device_to_the_session_that_is_here(
    running: Running,
) -> None:
    async with dial(running.gateway.port) as older:
        await older.send(HELLO)
        await heard(older)
        await older.send(COUNT)
        await heard(older)
        await older.send(SAVE)  # who has left something is claimed at the file
        await heard(older)
        await eventually(lambda: running.hub.waiting == 0)
        running.lock(PATIENCE_S)
        async with dial(running.gateway.port) as newer:
            await newer.send(HELLO)
            await eventually(lambda: running.hub.waiting > 0)
            newer.transport.abort()  # while its claim waits for the file
        await asyncio.sleep(0.3)
        running.unlock()
        await eventually(lambda: running.hub.waiting == 0)
        await older.send(SAVE)
        assert (await heard(older))["payload"] == 1
        await older.send(COUNT)
        assert (await heard(older))["payload"] == 2
    await eventually(lambda: running.hub.waiting == 0)
    assert await running.visit(COUNT) == ("resumed", [3])


# -- time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [86_400.0, -86_400.0])
async def test_a_wall_clock_that_is_set_ends_no_window(running: Running, step_s: float) -> None:
    await running.visit(COUNT)
    await eventually(lambda: running.hub.waiting == 0)
    clock: Any = running.gateway.node.clock
    wall = clock.wall
    clock.wall = lambda: wall() + step_s
    await eventually(lambda: abs(running.hub._apart_s - clock.wall() + clock.now()) < 1)
    assert await running.visit(COUNT) == ("resumed", [2])


def test_what_was_written_is_one_whole_file_afterwards(tmp_path: Path) -> None:
    async def live() -> None:
        running = Running(tmp_path)
        async with running.gateway:
            await running.visit(COUNT)

    asyncio.run(live())
    with closing(sqlite3.connect(tmp_path / "keepline.db")) as file:
        assert file.execute("pragma integrity_check").fetchone() == ("ok",)
        assert file.execute("select count(*) from own where node <> ''").fetchone() == (0,)


# -- delivered until acknowledged ----------------------------------------------------------


async def test_a_client_on_the_wire_gets_again_what_it_did_not_acknowledge(
    running: Running,
) -> None:
    hello = '{"type":"hello","features":{"ack":true}}'
    device_id = "02:00:00:00:00:01"
    async with dial(running.gateway.port) as device:
        await device.send(hello)
        assert "resume" not in await heard(device)
        for number in (1, 2, 3):
            sent = json.dumps({"type": "custom", "payload": number}).encode()
            assert await running.hub.send(device_id, sent, 1.0) == b""
        first, second, third = [await heard(device) for _ in range(3)]
        await device.send(json.dumps({"type": "ack", "message_id": second["message_id"]}))
        await device.send(COUNT)  # answered once the acknowledgement was heard
        fourth = await heard(device)
        device.transport.abort()
    async with dial(running.gateway.port) as device:
        await device.send(hello)
        await heard(device)
        assert [await heard(device) for _ in range(3)] == [first, third, fourth]
