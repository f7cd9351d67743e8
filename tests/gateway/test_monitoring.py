"""A whole gateway that looks at itself, asked on its admin port; its devices have real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import httpx

from keepline.app.gateway import Gateway
from keepline.handlers.echo import Echo
from tests.conftest import TOKEN
from tests.gateway.peers import Peer, close, live, text
from tests.waiting import ANSWER_S, EVERY_S

WITHIN_S = 20.0  # for a few samples to be taken, on a machine that has other things to do
GAP_S = 2.5  # longer than two samples are apart


def watching(data_dir: Path | None = None) -> Gateway:
    settings: dict[str, Any] = {"monitor": {"interval_s": 1}, "admin": {"host": "127.0.0.1"}}
    if data_dir is not None:
        settings["data_dir"] = str(data_dir)
    return Gateway(Echo, settings, port=0, token=TOKEN, admin_port=0, log=StringIO())


async def ask(gateway: Gateway, path: str, **query: Any) -> httpx.Response:
    url = f"http://127.0.0.1:{gateway.admin_port}"
    async with httpx.AsyncClient(base_url=url, timeout=ANSWER_S) as client:
        answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer


async def summary_with(gateway: Gateway, gauge: str, value: float) -> dict[str, Any]:
    """Return the first summary in which a gauge has that value."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            found: dict[str, Any] = (await ask(gateway, "/api/monitor/summary")).json()
            if found["latest"][gauge] == value:
                return found
            await asyncio.sleep(EVERY_S)


async def test_a_sample_has_what_devices_do() -> None:
    async with watching() as gateway:
        async with live(gateway.port, "one"), live(gateway.port, "two"):
            found = await summary_with(gateway, "connections", 2)
            assert found["latest"]["active_connections"] == 2
            assert found["latest"]["memory_limit_bytes"] > found["latest"]["memory_bytes"] > 0
            assert found["latest"]["descriptors"] < found["latest"]["descriptor_limit"]
            # Read one after the other, in clocks of different grain.
            assert found["latest"]["cpu_percent"] > found["latest"]["loop_cpu_percent"] / 2 >= 0
            assert 0 <= found["latest"]["loop_lag_p50_s"] <= found["latest"]["loop_lag_max_s"]
        found = await summary_with(gateway, "connections", 0)
        assert [each["cause"] for each in found["endings"]] == ["device_closed"]
        assert (found["endings"][0]["total"], found["unattributed"]) == (2, 0)


async def test_what_was_seen_is_there_after_a_restart_and_the_gap_too(tmp_path: Path) -> None:
    async with watching(tmp_path) as gateway, live(gateway.port):
        await summary_with(gateway, "connections", 1)
    await asyncio.sleep(GAP_S)
    async with watching(tmp_path) as gateway:
        await summary_with(gateway, "connections", 0)
        found = (await ask(gateway, "/api/monitor/series", gauge="connections")).json()
    means = found["series"]["connections"]["mean"]
    assert 1 in means
    assert None in means[means.index(1) :]
    assert means[-1] == 0


async def test_prometheus_is_shown_the_latest_sample_and_the_process() -> None:
    async with watching() as gateway, live(gateway.port):
        await summary_with(gateway, "connections", 1)
        page = (await ask(gateway, "/metrics")).text
    assert 'keepline_sessions_by_state{state="active"} 1.0' in page
    assert "keepline_disconnects_unattributed_ratio 0.0" in page
    for name in ("process_open_fds", "process_cpu_seconds_total", "keepline_memory_limit_bytes"):
        assert f"\n{name} " in page, name


async def test_of_a_crowd_that_leaves_in_many_ways_every_ending_has_a_cause() -> None:
    """They hang up, reset, say Close, break a rule, or send what is no frame."""
    last_words = (close(), b"\xff" * 8, text("unmasked")[:1] + b"\x01x")
    async with watching() as gateway:
        for number in range(20):
            peers = [await Peer.live(gateway.port, f"{number}-{each}") for each in range(5)]
            for peer, words in zip(peers, last_words, strict=False):
                await peer.send(words)
            peers[3].rst()
            for peer in (*peers[:3], peers[4]):
                peer.close()
        found: Counter[str] = Counter()
        async with asyncio.timeout(WITHIN_S):
            while True:
                if (found := await endings_of(gateway)).total() == 100:
                    break
                await asyncio.sleep(EVERY_S)
        summary = (await ask(gateway, "/api/monitor/summary")).json()
    assert summary["unattributed"] < 0.01
    assert {"device_closed", "protocol_error"} < set(found)


async def endings_of(gateway: Gateway) -> Counter[str]:
    """Return how many connections have ended for each cause."""
    summary = (await ask(gateway, "/api/monitor/summary")).json()
    return Counter({each["cause"]: each["total"] for each in summary["endings"]})
