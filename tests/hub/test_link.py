"""The connection to an engine that is not there, not right, or not well."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nats
import pytest

from keepline.errors import HubDownError, NoAnswerError, StartError
from keepline.hub.cluster import hub as hubs
from keepline.hub.cluster import link as links
from keepline.hub.cluster import stream as streams
from keepline.hub.cluster.link import Address, Link
from keepline.hub.cluster.records import DEVICES
from tests.hub.cable import Cable
from tests.hub.cluster import Cluster
from tests.hub.engine import Engine
from tests.waiting import eventually


@asynccontextmanager
async def running(path: Path, *, jetstream: bool = True) -> AsyncIterator[Engine]:
    engine = Engine(path / "engine", jetstream=jetstream)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.kill()


@asynccontextmanager
async def linked(url: str, **options: float) -> AsyncIterator[Link]:
    link = Link(Address([url]), "life", draw=lambda: 0.0, on_change=lambda: None, **options)
    try:
        await link.open()
        yield link
    finally:
        await link.close()


async def test_an_engine_that_cannot_be_reached_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(links, "OPEN_S", 0.2)
    async with running(tmp_path) as engine:
        port = engine.port
    with pytest.raises(StartError) as failure:
        async with linked(f"nats://user:secret@127.0.0.1:{port}"):
            pass
    assert f"nats://127.0.0.1:{port}" in str(failure.value)
    assert "secret" not in str(failure.value)
    assert "nats-server -js" in failure.value.hint


async def test_an_engine_that_is_too_old_is_refused() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = {"server_id": "x", "version": "2.9.10", "max_payload": 1_048_576, "headers": True}
        writer.write(f"INFO {json.dumps(told)}\r\n".encode())
        with suppress(OSError):
            while line := await reader.readline():
                if line.startswith(b"PING"):
                    writer.write(b"PONG\r\n")
        writer.transport.abort()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StartError, match=r"2\.9 is too old"):
            async with linked(f"nats://127.0.0.1:{port}"):
                pass


async def test_an_engine_without_jetstream_is_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "PREPARE_S", 0.1)
    cluster = Cluster(tmp_path)
    cluster.engine = Engine(tmp_path / "engine", jetstream=False)
    await cluster.engine.start()
    try:
        with pytest.raises(StartError, match="JetStream"):
            await cluster.join("one")
    finally:
        await cluster.end()


async def test_a_stream_that_somebody_else_has_made_otherwise_is_refused(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    await cluster.engine.start()
    try:
        client = await nats.connect(cluster.engine.url)
        await client.jetstream().add_stream(name=DEVICES, subjects=["gw.own.*"])
        await client.close()
        with pytest.raises(StartError, match="max_msgs_per_subject"):
            await cluster.join("one")
    finally:
        await cluster.end()


async def test_more_replicas_than_servers_are_refused_when_a_node_starts(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    await cluster.engine.start()
    try:
        with pytest.raises(StartError, match="replicas"):
            await cluster.join("one", replicas=3)
    finally:
        await cluster.end()


async def test_a_question_where_nobody_listens_is_answered_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as engine, linked(engine.url) as link:
        assert await link.ask("nobody", b"", 60.0) is None


async def test_a_question_that_the_loss_of_the_connection_cuts_short_has_an_unknown_outcome(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as engine:
        cable = Cable(engine.port)
        await cable.mend()
        async with linked(cable.url) as link:
            await link.listen("silent", lambda _mail: None)
            asking = asyncio.create_task(link.ask("silent", b"", 60.0))
            await link.flush()
            await cable.cut()
            with pytest.raises(NoAnswerError):
                await asking
            with pytest.raises(HubDownError):
                await link.ask("silent", b"", 60.0)
        await cable.cut()


async def test_what_one_listens_to_is_heard_again_after_a_cut(tmp_path: Path) -> None:
    heard: list[bytes] = []
    async with running(tmp_path) as engine:
        cable = Cable(engine.port)
        await cable.mend()
        async with linked(cable.url) as link:
            await link.listen("subject", lambda mail: heard.append(mail.data))
            await cable.cut()
            await eventually(lambda: not link.is_up)
            await cable.mend()
            await eventually(lambda: link.is_up)
            await link.tell("subject", b"again")
            await eventually(lambda: heard == [b"again"])
        await cable.cut()


async def test_a_connection_that_looks_alive_and_answers_nothing_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "PROBE_S", 0.05)
    heard: list[bytes] = []
    async with running(tmp_path) as engine:
        cable = Cable(engine.port)
        await cable.mend()
        async with linked(cable.url, probe_each_s=0.02) as link:
            await link.listen("subject", lambda mail: heard.append(mail.data))
            cable.hold()
            await eventually(lambda: not link.is_up)
            await cable.cut()
            await cable.mend()
            await eventually(lambda: link.is_up)
            await link.tell("subject", b"again")
            await eventually(lambda: heard == [b"again"])
            assert link.made > 0
        await cable.cut()


async def test_an_engine_that_hangs_is_known_to_be_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ANSWER_S", 0.1)
    cluster = Cluster(tmp_path)
    await cluster.engine.start()
    try:
        one = await cluster.join("one", claim_timeout_s=0.2)
        one.cable.hold()
        with pytest.raises(HubDownError):
            await one.hub.claim("device", "session-1")
        assert not one.hub.admits()
        await one.cable.mend()
        one.hub.each_second()
        await eventually(one.hub.admits)
        await one.hub.claim("device", "session-2")
    finally:
        await cluster.end()
