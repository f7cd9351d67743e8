"""One handler fails in every way there is; the device beside it is served as if nothing were."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from keepline.gateway.handler import Handler
from keepline.gateway.isolation import strays as all_strays
from keepline.gateway.isolation.parting import Gone
from keepline.gateway.session import Session
from keepline.gateway.threads import ThreadedSession
from keepline.reasons import CloseReason
from keepline.wire.messages import Custom, Stt
from tests.conftest import RunningGateway
from tests.gateway.peers import Peer, heard, live, request, talk, text
from tests.waiting import PATIENCE_S, eventually, within

Start = Callable[..., Any]
WELL, ILL = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
QUICK = {"call_timeout_s": 0.3}
BRIEF = {"closed_timeout_s": 0.2}


def custom(payload: object) -> str:
    return json.dumps({"type": "custom", "payload": payload})


class Obedient(Handler):
    """Does to itself what its device says, and echoes everything else."""

    was_seen = threading.Event()

    def text(self, session: Session, message: object) -> object:  # type: ignore[override]
        assert isinstance(message, Custom)
        act = getattr(self, str(message.payload), None)
        if act is not None:
            return act(session)
        session.send(message)
        return None

    def falls(self, session: Session) -> None:
        raise LookupError("the application's own mistake")

    async def hangs(self, session: Session) -> None:
        await asyncio.Event().wait()

    async def hangs_for_good(self, session: Session) -> None:
        while True:
            try:
                await asyncio.sleep(1_000)
            except asyncio.CancelledError:
                if session.connection.node.draining:
                    raise

    def leaks(self, session: Session) -> None:
        for _ in range(1_000):
            session.spawn(asyncio.sleep(1_000))

    def winds(self, session: Session) -> None:
        for _ in range(1_000):
            session.after(1_000, self.falls)

    def floods(self, session: Session) -> None:
        for _ in range(100_000):
            session.send(Stt("and so on"))

    def blocks(self, session: Session) -> None:
        assert self.was_seen.wait(10.0)  # while it blocks
        time.sleep(1.2)

    def is_greedy(self, session: Session) -> None:
        raise MemoryError


@asynccontextmanager
async def two(gateway: RunningGateway) -> AsyncIterator[tuple[ClientConnection, Peer]]:
    """A device that is well, and one whose handler is about to fail."""
    async with talk(gateway.port, WELL) as well, live(gateway.port, ILL) as ill:
        await check(well)
        yield well, ill
        await check(well)
        assert gateway.node.registry.by_device(WELL) is not None


async def check(well: ClientConnection) -> None:
    """It hears an answer, and soon."""
    await well.send(custom("hello"))
    async with within(2.0):
        assert (await heard(well))["payload"] == "hello"


async def ends(gateway: RunningGateway, what: str, reason: CloseReason) -> dict[str, Any]:
    """Have the handler do `what`, and return what the log says of it."""
    async with two(gateway) as (well, ill):
        await ill.send(text(custom(what)))
        await check(well)
        assert await ill.close_code() == reason.code
    await eventually(lambda: gateway.counters.disconnects[reason] == 1)
    [line] = gateway.logged("handler_failed")
    assert line["device_id"] == ILL
    assert line["call"] == "Obedient.text"
    return line


async def test_a_handler_that_raises_is_named_with_its_place(start_gateway: Start) -> None:
    line = await ends(await start_gateway(Obedient), "falls", CloseReason.HANDLER_FAILED)
    assert "test_isolation.py:" in line["at"]
    assert line["fault"] == "unknown"


async def test_a_handler_that_hangs_is_cut_and_named_with_where_it_waits(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(Obedient, isolation=QUICK, session=BRIEF)
    line = await ends(gateway, "hangs", CloseReason.HANDLER_TIMEOUT)
    assert "test_isolation.py:" in line["at"]
    await eventually(lambda: ILL not in [each.device_id for each in gateway.node.registry])
    assert len(gateway.node.isolation.deadlines) == 0


async def test_a_handler_that_ignores_its_cancellation_is_named(
    start_gateway: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_strays, "PATIENCE_S", 0.5)
    gateway = await start_gateway(Obedient, isolation=QUICK, session=BRIEF)
    await ends(gateway, "hangs_for_good", CloseReason.HANDLER_TIMEOUT)
    strays = gateway.node.isolation.strays
    await eventually(lambda: len(strays) == 1)
    [line] = gateway.logged("handler_does_not_end")
    assert (line["device_id"], line["what"]) == (ILL, "task")
    assert "test_isolation.py:" in line["at"]
    gateway.node.draining = True  # what its handler waits for, so that the test can end
    [task] = strays._told
    task.cancel()
    await eventually(lambda: len(strays) == 0)
    assert gateway.logged("handler_has_ended")


async def test_a_handler_that_leaks_tasks_is_ended_at_its_budget(start_gateway: Start) -> None:
    gateway = await start_gateway(Obedient)
    line = await ends(gateway, "leaks", CloseReason.HANDLER_OVER_BUDGET)
    assert "64 tasks" in line["error"]
    await eventually(lambda: len(asyncio.all_tasks()) < 20)


async def test_a_handler_that_arms_timers_without_end_is_ended(start_gateway: Start) -> None:
    line = await ends(await start_gateway(Obedient), "winds", CloseReason.HANDLER_OVER_BUDGET)
    assert "256 timers" in line["error"]


async def test_a_handler_that_floods_is_ended_at_its_budget(start_gateway: Start) -> None:
    gateway = await start_gateway(Obedient)
    async with two(gateway) as (well, ill):
        await ill.send(text(custom("floods")))
        await check(well)
        reason = CloseReason.HANDLER_OVER_BUDGET
        await eventually(lambda: gateway.counters.disconnects[reason] == 1)
    assert gateway.counters.messages_out < 1_200
    assert "1000 sends in a second" in gateway.logged("handler_failed")[0]["error"]


async def test_a_handler_without_memory_costs_the_others_no_audio(start_gateway: Start) -> None:
    gateway = await start_gateway(Obedient)
    line = await ends(gateway, "is_greedy", CloseReason.OUT_OF_MEMORY)
    assert line["fault"] == "memory"
    assert gateway.counters.inbox_audio_dropped == 0


async def test_who_blocks_the_loop_is_named_while_he_does(start_gateway: Start) -> None:
    gateway = await start_gateway(Obedient)
    Obedient.was_seen.clear()

    def of_handlers(event: str) -> list[dict[str, Any]]:
        return [each for each in gateway.logged(event) if each.get("handler")]

    def watch() -> None:  # from outside the loop, as somebody who reads the log does
        until = time.monotonic() + 10.0
        while time.monotonic() < until and not of_handlers("loop_blocked"):
            time.sleep(0.02)
        Obedient.was_seen.set()

    async with two(gateway) as (_, ill):
        watcher = threading.Thread(target=watch)
        watcher.start()
        await ill.send(text(custom("blocks")))
        await eventually(lambda: of_handlers("loop_stalled"))
        watcher.join()
    [line], [stalled] = of_handlers("loop_blocked"), of_handlers("loop_stalled")
    assert line["for_s"] < stalled["lost_s"]
    for each in (line, stalled):
        assert each["handler"].endswith("test_isolation.Obedient")
        assert (each["call"], each["device_id"]) == ("Obedient.text", ILL)
        assert "test_isolation.py:" in each["at"]
        assert "Obedient.blocks" in each["stack"]
    told = [json.loads(each.data) for each in await gateway.node.hub.latest(kind="loop_blocked")]
    assert [each.get("call") for each in told].count("Obedient.text") == 1


class Stuck(Handler[ThreadedSession]):
    threaded = True
    go = threading.Event()

    def text(self, session: ThreadedSession, message: object) -> None:
        assert isinstance(message, Custom)
        if message.payload == "hangs":
            self.go.wait()
        session.send(message)


async def test_a_thread_that_hangs_costs_its_session_and_is_named(start_gateway: Start) -> None:
    gateway = await start_gateway(Stuck, isolation=QUICK, session=BRIEF)
    Stuck.go.clear()
    try:
        async with two(gateway) as (well, ill):
            await ill.send(text(custom("hangs")))
            await check(well)
            assert await ill.close_code() == 1011
            await eventually(lambda: len(gateway.node.isolation.strays) == 1)
        lines = gateway.logged("handler_failed")
        assert "test_isolation.py:" in lines[0]["at"]
        assert lines[1]["after"].startswith("HandlerTimeoutError")
        assert gateway.logged("handler_does_not_end")[0]["what"] == "thread"
    finally:
        Stuck.go.set()
    await eventually(lambda: len(gateway.node.isolation.strays) == 0)


async def test_who_waits_too_long_for_a_free_thread_is_told_so(start_gateway: Start) -> None:
    limits: dict[str, Any] = {"handlers": {"threads": 1}, "isolation": QUICK, "session": BRIEF}
    gateway = await start_gateway(Stuck, **limits)
    Stuck.go.clear()
    try:
        async with live(gateway.port, WELL) as first, live(gateway.port, ILL) as second:
            await first.send(text(custom("hangs")))
            await eventually(lambda: len(gateway.node.isolation.deadlines) == 1)
            await second.send(text(custom("hello")))
            assert await second.close_code() == 1011
        places = {line["device_id"]: line["at"] for line in gateway.logged("handler_failed")[:2]}
        assert places[ILL] == "no thread was free (handlers.threads)"
    finally:
        Stuck.go.set()


async def tried_again(gateway: RunningGateway, held: AsyncExitStack) -> ClientConnection:
    """Come back until it is let in."""
    async with within(PATIENCE_S):
        while True:
            try:
                return await held.enter_async_context(talk(gateway.port, WELL))
            except InvalidStatus:
                await asyncio.sleep(0.05)


async def test_a_handler_that_fails_with_everybody_is_left_alone_and_tried_again(
    start_gateway: Start,
) -> None:
    limits = {"failing_devices": 3, "suspended_for_s": 3.0}
    gateway = await start_gateway(Obedient, isolation=limits)
    for number in range(3):
        async with live(gateway.port, f"device-{number}") as ill:
            await ill.send(text(custom("falls")))
            assert await ill.close_code() == 1011
    refused = await Peer.dial(gateway.port)
    await refused.send(request())
    assert (await refused.answer())[0] == 503
    refused.close()
    assert gateway.logged("handler_suspended")[0]["handler"].endswith("Obedient")
    async with AsyncExitStack() as held:
        well = await tried_again(gateway, held)
        await check(well)
        await eventually(lambda: gateway.logged("handler_resumed"))
        async with talk(gateway.port, "another") as another:
            await check(another)


async def test_one_device_that_fails_again_and_again_keeps_nobody_out(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(Obedient, isolation={"failing_devices": 3})
    async with talk(gateway.port, WELL) as well:
        for _ in range(6):
            async with live(gateway.port, ILL) as ill:
                await ill.send(text(custom("falls")))
                assert await ill.close_code() == 1011
        await check(well)
    assert not gateway.logged("handler_suspended")


async def test_who_wants_to_know_is_told_of_every_session_that_has_gone(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(Obedient, session=BRIEF)
    told: list[Gone] = []

    async def hangs(_: Gone) -> None:
        await asyncio.Event().wait()

    def raises(_: Gone) -> None:
        raise ValueError("a fault of who embeds it")

    for callback in (raises, hangs, told.append):
        gateway.node.isolation.callbacks.add(callback)
    async with live(gateway.port, ILL) as ill:
        await ill.send(text(custom("falls")))
        await ill.close_code()
    await eventually(lambda: not gateway.node.cleanups and not gateway.node.registry)
    [gone] = told
    assert (gone.device_id, gone.reason) == (ILL, CloseReason.HANDLER_FAILED)
    assert gone.detail.startswith("LookupError at ")
    assert len(gateway.logged("cleanup_callback_failed")) == 2


async def test_a_failure_is_an_event_of_its_device(start_gateway: Start) -> None:
    gateway = await start_gateway(Obedient)
    await ends(gateway, "falls", CloseReason.HANDLER_FAILED)
    [event] = await gateway.node.hub.latest(device_id=ILL, kind="fault")
    told = json.loads(event.data)
    assert (told["fault"], told["source"], told["cause"]) == (
        "unknown",
        "handler",
        "handler_failed",
    )
    [ending] = await gateway.endings(ILL)
    assert ending["detail"].startswith("LookupError at ")
