"""The fleet's runner against a server nobody here wrote, the `websockets` package."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from keepline.errors import StartError
from keepline.fleet.habits import Habits
from keepline.fleet.runner import TIMER_EARLY_S, run_fleet
from tests.device.fleets import Enough, live_until
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

    from keepline.fleet.report import Report

QUICK = Habits(pause_s=(0.05, 0.1), turn_frames=(2, 4), hang_up=0.5, die=0.0)
HELLO = json.dumps(
    {"type": "hello", "transport": "websocket", "session_id": "s"}
    | {
        "audio_params": {
            "format": "opus",
            "sample_rate": 16_000,
            "channels": 1,
            "frame_duration": 60,
        }
    }
)


class Peer:
    """Answers as the echo handler does, without its pace; refuses while told to."""

    def __init__(self) -> None:
        self.port = 0
        self.refuse_with: int | None = None
        self.close_after_hello = False
        self.headers: list[dict[str, str]] = []
        self.ends: list[ConnectionClosed] = []

    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/xiaozhi/v1/"

    def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        self.headers.append({name.lower(): value for name, value in request.headers.raw_items()})
        if self.refuse_with is None:
            return None
        return connection.respond(self.refuse_with, "no\n")

    async def talk(self, connection: ServerConnection) -> None:
        try:
            await self._talk(connection)
        except ConnectionClosed as end:
            self.ends.append(end)

    async def _talk(self, connection: ServerConnection) -> None:
        assert json.loads(await connection.recv())["type"] == "hello"
        await connection.send(HELLO)
        if self.close_after_hello:
            await connection.close(1012)
        recorded: list[bytes] = []
        async for data in connection:
            if isinstance(data, bytes):
                recorded.append(data)
                continue
            message: dict[str, Any] = json.loads(data)
            if message["state"] == "detect":
                await connection.send(json.dumps({"type": "stt", "text": message["text"]}))
            elif message["state"] == "stop":
                await connection.send('{"type":"tts","state":"start"}')
                for frame in recorded:
                    await connection.send(frame)
                recorded.clear()
                await connection.send('{"type":"tts","state":"stop"}')


@contextlib.asynccontextmanager
async def serving(peer: Peer) -> AsyncIterator[Server]:
    async with serve(
        peer.talk, "127.0.0.1", 0, process_request=peer.judge, ping_interval=0.1, close_timeout=0.2
    ) as server:
        peer.port = server.sockets[0].getsockname()[1]
        yield server


async def run(peer: Peer, enough: Enough, habits: Habits = QUICK, devices: int = 5) -> Report:
    return await live_until(
        enough,
        url=peer.url(),
        devices=devices,
        token="secret",
        ramp_per_s=1_000,
        habits=habits,
    )


async def test_devices_talk_to_a_strict_server_and_hear_themselves() -> None:
    def have_talked(report: Report) -> bool:
        counts = report.counts
        talked = min(counts.conversations, counts.turns_answered, counts.frames_heard)
        return min(talked, counts.pings_answered, 4 * counts.hung_up) > 5

    peer = Peer()
    async with serving(peer):
        report = await run(peer, have_talked)
    counts = report.counts
    assert counts.conversations > 5
    assert counts.turns_answered > 5
    assert counts.turns_unanswered == counts.violations == counts.foreign_frames == 0
    assert counts.frames_heard > 5
    assert counts.pings_answered > 5
    assert counts.hung_up > 1
    assert counts.lost == counts.connect_failures == counts.timeouts == 0
    assert report.hello.p50_s is not None
    assert 0 < report.hello.p50_s < report.elapsed_s


async def test_each_device_has_an_identity_of_its_own_and_the_token() -> None:
    peer = Peer()
    async with serving(peer):
        await run(peer, lambda report: report.counts.hellos >= 8, devices=8)
    assert len({headers["device-id"] for headers in peer.headers}) == 8
    assert len({headers["client-id"] for headers in peer.headers}) == 8
    assert {headers["authorization"] for headers in peer.headers} == {"Bearer secret"}
    assert {headers["host"] for headers in peer.headers} == {"127.0.0.1"}


async def test_hanging_up_reaches_the_server_without_a_close_frame() -> None:
    peer = Peer()
    hasty = Habits(kinds=("text",), hang_up=1.0, die=0.0)
    async with serving(peer):
        await run(peer, lambda report: report.counts.hung_up >= 5, hasty)
        await eventually(lambda: len(peer.ends) >= 5)
    assert {end.rcvd for end in peer.ends} == {None}


async def test_a_refusing_server_is_counted_by_status() -> None:
    peer = Peer()
    peer.refuse_with = 503
    async with serving(peer):
        report = await run(peer, lambda report: report.counts.refused[503] >= 5)
    assert report.counts.refused[503] >= 5
    assert report.connected == report.counts.hellos == 0


async def test_a_server_that_closes_is_left_alone_until_the_person_speaks_again() -> None:
    peer = Peer()
    peer.close_after_hello = True
    async with serving(peer):
        report = await run(peer, lambda report: report.counts.closed[1012] > 5)
    assert report.counts.closed[1012] > 5
    assert report.counts.lost == 0


async def test_nobody_listening_is_a_failure_to_connect() -> None:
    peer = Peer()
    async with serving(peer):
        pass
    report = await run(peer, lambda report: report.counts.connect_failures >= 5)
    assert report.counts.connect_failures >= 5
    assert report.counts.hellos == 0


async def test_progress_is_told_while_it_runs() -> None:
    peer = Peer()
    told: list[Report] = []
    stop = asyncio.Event()

    def tell(report: Report) -> None:
        told.append(report)
        if len(told) == 2:
            stop.set()

    async with serving(peer):
        report = await run_fleet(
            peer.url(),
            devices=5,
            token="secret",
            seconds=None,
            seed=1,
            ramp_per_s=1_000,
            on_progress=tell,
            habits=QUICK,
            stop=stop,
        )
    first_s, second_s = (progress.elapsed_s for progress in told)
    assert min(first_s, second_s - first_s) >= 1.0 - TIMER_EARLY_S  # once a second
    assert told[0].devices == 5
    assert told[0].connected > 0
    assert report.counts.hellos >= told[-1].counts.hellos


async def test_dead_devices_keep_their_sockets_open_until_the_end() -> None:
    peer = Peer()
    habits = Habits(kinds=("text",), turns=(1, 1), die=1.0, hang_up=0.0)
    async with serve(peer.talk, "127.0.0.1", 0, ping_interval=None) as server:
        peer.port = server.sockets[0].getsockname()[1]
        report = await run(peer, lambda report: report.counts.died == 5, habits)
        assert report.counts.died == 5
        assert report.connected == 0
        await eventually(lambda: not server.connections)


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_no_socket_task_or_timer_is_left_behind(*, is_cancelled: bool) -> None:
    peer = Peer()
    habits = Habits(
        pause_s=(0.01, 0.1), turn_frames=(2, 4), hang_up=0.4, die=0.3, dead_s=(0.1, 0.2)
    )
    async with serving(peer):
        tasks, descriptors = asyncio.all_tasks(), open_descriptors()
        if is_cancelled:
            task = asyncio.create_task(run(peer, lambda _: False, habits, devices=20))
            await eventually(lambda: len(peer.headers) > 40)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await run(peer, lambda report: report.counts.hellos > 40, habits, devices=20)
        await eventually(lambda: asyncio.all_tasks() == tasks)  # the peer's own end later than ours
        await eventually(lambda: open_descriptors() == descriptors)
        seen = len(peer.headers)
        await asyncio.sleep(0.3)  # a timer that was left behind would connect again
        assert len(peer.headers) == seen


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/dev/fd").iterdir()}


@pytest.mark.parametrize("url", ["", "http://host/", "host:8000", "ws:///path", "ws://host:port/"])
async def test_a_url_that_is_none_says_what_one_looks_like(url: str) -> None:
    with pytest.raises(StartError, match="ws://HOST:PORT/PATH"):
        await run_fleet(
            url, devices=1, token=None, seconds=1, seed=1, ramp_per_s=1, on_progress=lambda _: None
        )
