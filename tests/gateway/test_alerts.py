"""A whole gateway that warns: its devices leak, grow and flap on purpose, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from keepline import Gateway, Handler, Notice
from keepline.monitor.process.elsewhere import reader_of
from tests.conftest import TOKEN
from tests.gateway.peers import Peer, live, text
from tests.unit.monitor.endpoint import Endpoint
from tests.waiting import EVERY_S, eventually, within

WITHIN_S = 60.0  # for samples to be taken, on a machine that has other things to do
MB = 1_048_576
QUICK = {"raise_after_s": 0, "hold_s": 1, "clear_share": 1.0}
LISTEN = '{"type":"listen","state":"detect","text":"again"}'


class Leaky(Handler):
    """Keeps 8 MB of each word that it hears, until its device hangs up."""

    def opened(self, session: Any) -> None:
        self.kept: list[bytes] = []

    def text(self, session: Any, message: Any) -> None:
        self.kept.append(b"x" * 8 * MB)

    def closed(self, session: Any, reason: Any) -> None:
        self.kept.clear()


class Told:
    """What an embedding program heard, by what it was about."""

    def __init__(self, gateway: Gateway) -> None:
        self.heard: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
        gateway.add_alert_callback(self._hear)

    async def _hear(self, notice: Notice) -> None:
        what, alert = notice
        self.heard[alert.about, alert.kind].append(what.value)
        self.numbers[alert.about, alert.kind].add(alert.number)

    async def becomes(self, about: str, kind: str, *whats: str) -> None:
        await eventually(lambda: self.heard[about, kind] == [*whats], within_s=WITHIN_S)


def warning(
    rules: dict[str, Any],
    *,
    data_dir: Path | None = None,
    log: StringIO | None = None,
    **alerts: Any,
) -> Gateway:
    settings: dict[str, Any] = {
        "monitor": {"interval_s": 1},
        "admin": {"host": "127.0.0.1"},
        "rules": QUICK | rules,
        "alerts": alerts,
    }
    if data_dir is not None:
        settings["data_dir"] = str(data_dir)
    log = StringIO() if log is None else log
    return Gateway(Leaky, settings, port=0, token=TOKEN, admin_port=0, log=log)


async def ask(gateway: Gateway, path: str = "/api/alerts", body: Any = None) -> Any:
    url = f"http://127.0.0.1:{gateway.admin_port}"
    async with httpx.AsyncClient(base_url=url, timeout=WITHIN_S) as client:
        answer = await (client.get(path) if body is None else client.post(path, json=body))
    assert answer.status_code == 200, answer.text
    return answer.json() if "json" in answer.headers["content-type"] else answer.text


async def opened(gateway: Gateway, about: str) -> dict[str, Any]:
    """Return what is open about that; a busy machine may have an alert of its own."""
    found = (await ask(gateway))["open"]
    [alert] = [each for each in found if each["about"] == about]
    assert isinstance(alert, dict)
    return alert


async def until(gateway: Gateway, about: str, condition: Callable[[dict[str, Any]], bool]) -> None:
    """Return once it is true of the alert that is open about that."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            if condition(await opened(gateway, about)):
                return
            await asyncio.sleep(EVERY_S)


async def sampled(gateway: Gateway, connections: int) -> None:
    """Return once a sample was taken from now on, of so many connections."""
    before = (await ask(gateway, "/api/monitor/summary"))["at"]
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = await ask(gateway, "/api/monitor/summary")
            if found["at"] != before and found["latest"]["connections"] == connections:
                return
            await asyncio.sleep(EVERY_S)


async def crowd(stack: AsyncExitStack, gateway: Gateway, number: int, name: str = "") -> None:
    for each in range(number):
        await stack.enter_async_context(live(gateway.port, f"{name}{each}"))


def resident_bytes() -> float:
    found = reader_of(dict).read(slow=False).memory_bytes
    assert found is not None
    return float(found)


async def test_a_handler_that_leaks_is_told_once_worse_once_and_over_once() -> None:
    # It is over a tenth below the limit, which has to be above what all tests before this one left.
    limit = int(1.25 * resident_bytes() + 64 * MB)
    key = ("memory_bytes", "threshold")
    async with warning({"memory_bytes": limit, "connections": None}) as gateway:
        told = Told(gateway)
        async with live(gateway.port) as peer:
            await leak_to(peer, limit + 8 * MB)
            await told.becomes(*key, "opened")
            alert = await opened(gateway, "memory_bytes")
            first = alert["value"]
            assert (alert["limit"], alert["status"], alert["severity"]) == (limit, "open", "medium")
            assert "keepline leaks" in alert["advice"]
            await leak(peer, 16 * MB)  # it is kept up to date, and nobody is told
            await until(gateway, "memory_bytes", lambda alert: alert["value"] >= first + 12 * MB)
            assert told.heard[key] == ["opened"]
            await leak_to(peer, limit * 3 // 2 + 8 * MB)
            await told.becomes(*key, "opened", "worsened")
        await told.becomes(*key, "opened", "worsened", "resolved")
        assert len(told.numbers[key]) == 1
        found = await ask(gateway)
        assert "memory_bytes" not in {each["about"] for each in found["open"]}
        assert "memory_bytes" in {each["about"] for each in found["recent"]}
        page = await ask(gateway, "/metrics")
    assert 'keepline_alerts_open{severity="high"} ' in page
    assert 'keepline_alert_transitions_total{what="worsened"} 1.0' in page


async def leak(peer: Peer, more_bytes: int) -> None:
    for _ in range(more_bytes // (8 * MB)):
        await peer.send(text(LISTEN))


async def leak_to(peer: Peer, resident: int) -> None:
    """What tests before this one have freed is used first, so nobody knows how much it takes."""
    for _ in range(256):
        if resident_bytes() > resident:
            return
        await leak(peer, 8 * MB)
        await asyncio.sleep(EVERY_S)
    raise AssertionError("2 GB were leaked, and are not there")


async def test_a_fleet_that_grows_is_told_once_and_over_once() -> None:
    async with warning({"trends": "seed", "connections": None}) as gateway:
        told = Told(gateway)
        async with AsyncExitStack() as stack:
            for number in range(40):
                await crowd(stack, gateway, 3, f"{number}-")
                await asyncio.sleep(0.3)
                if told.heard["connections", "trend"]:
                    break
            await told.becomes("connections", "trend", "opened")
            alert = await opened(gateway, "connections")
            assert "more in 10 samples" in alert["detail"]
            await told.becomes("connections", "trend", "opened", "resolved")


async def test_a_fleet_that_flaps_is_folded_into_one_alert_until_it_is_calm() -> None:
    folding: dict[str, Any] = {"flap_opens": 3, "flap_within_s": 600, "calm_s": 3}
    async with warning({"connections": 2}, **folding) as gateway:
        told, key = Told(gateway), ("connections", "threshold")
        expected: list[str] = []
        for _ in range(2):
            async with AsyncExitStack() as stack:
                await crowd(stack, gateway, 3)
                await told.becomes(*key, *expected, "opened")
            expected += ["opened", "resolved"]
            await told.becomes(*key, *expected)
        expected.append("flapping")
        for _ in range(2):
            async with AsyncExitStack() as stack:
                await crowd(stack, gateway, 3)
                await told.becomes(*key, *expected)
                await sampled(gateway, 3)
                assert (await opened(gateway, "connections"))["status"] == "flapping"
        await told.becomes(*key, *expected, "resolved")
        assert len(told.numbers[key]) == 3
        recent = (await ask(gateway))["recent"]
        assert "it has been calm" in {each["resolution"] for each in recent}


async def test_what_is_open_acknowledged_and_silenced_is_so_after_a_restart(tmp_path: Path) -> None:
    async with warning({"connections": 1}, data_dir=tmp_path) as gateway:
        told = Told(gateway)
        async with AsyncExitStack() as stack:
            await crowd(stack, gateway, 2)
            await told.becomes("connections", "threshold", "opened")
            number = (await opened(gateway, "connections"))["number"]
            await ask(gateway, "/api/alerts/acknowledge", {"number": number, "by": "ann"})
            silence = {"about": "connections", "for_s": 600}
            await ask(gateway, "/api/alerts/silence", silence)
            await gateway.stop()
    async with warning({"connections": 1}, data_dir=tmp_path) as gateway:
        told = Told(gateway)
        alert = await opened(gateway, "connections")
        assert alert["number"] == number
        assert alert["acknowledged"]["by"] == "ann"
        found = await ask(gateway)
        assert [each["about"] for each in found["silences"]] == ["connections"]
        async with AsyncExitStack() as stack:
            await crowd(stack, gateway, 2)
            await until(gateway, "connections", lambda alert: alert["silenced"])
        events = (await ask(gateway, "/api/events?limit=1000"))["events"]
        said = [each["data"] for each in events if each["kind"] == "alert"]
        whats = [each["what"] for each in said if each["about"] == "connections"]
        assert whats == ["opened", "acknowledged"]
        assert not told.heard["connections", "threshold"]


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    there = Endpoint()
    await there.start()
    yield there
    await there.stop()


async def test_a_web_server_is_told_in_the_form_that_it_wants(endpoint: Endpoint) -> None:
    rules = {"connections": 1}
    async with warning(rules, url=endpoint.url, template="alertmanager") as gateway:
        async with AsyncExitStack() as stack:
            await crowd(stack, gateway, 2)
            await eventually(lambda: len(of_connections(endpoint)) == 1, within_s=WITHIN_S)
        await eventually(lambda: len(of_connections(endpoint)) == 2, within_s=WITHIN_S)
    begun, over = of_connections(endpoint)
    assert begun["labels"] == over["labels"]
    assert begun["endsAt"] < begun["startsAt"] < over["endsAt"]


def of_connections(endpoint: Endpoint) -> list[dict[str, Any]]:
    found = [received.document[0] for received in endpoint.received]
    return [each for each in found if each["labels"]["alertname"] == "keepline_connections"]


@pytest.mark.parametrize("way", ["refused", "hanging"])
async def test_an_endpoint_that_is_dead_hurts_no_device_and_holds_up_no_stop(
    endpoint: Endpoint, way: str
) -> None:
    if way == "refused":
        await endpoint.stop()
    else:
        endpoint.go.clear()
    log = StringIO()
    async with warning({"connections": 1}, log=log, url=endpoint.url, timeout_s=60) as gateway:
        told = Told(gateway)
        async with AsyncExitStack() as stack:
            await crowd(stack, gateway, 2)
            await told.becomes("connections", "threshold", "opened")
            peer = await Peer.live(gateway.port, "another")
            peer.close()
        async with within(10.0):
            await gateway.stop()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["host"] for line in lines if line["event"] == "alerts_dropped"] == ["127.0.0.1"]
