"""Keepalives meet devices that nobody wrote for them: the simulated fleet, and a foreign client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from xiaozhi_sdk.core import XiaoZhiWebsocket  # type: ignore[import-untyped]

from keepline.fleet.habits import Habits
from tests.device.fleets import LONGEST_S, live_until
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.fleet.report import Report

FAST = {"xiaozhi": {"keepalive_s": 0.4}}


async def test_simulated_firmware_answers_every_keepalive(
    start_gateway: Callable[..., Any],
) -> None:
    gateway = await start_gateway(profiles=FAST)
    counters = gateway.counters

    def are_answered(_: Report) -> bool:
        # Who hangs up just then answers nothing any more.
        return counters.keepalives_sent >= 20 and unanswered() <= 8

    def unanswered() -> int:
        return int(counters.keepalives_sent - counters.probes_answered)

    report = await live_until(
        are_answered,
        url=gateway.url,
        devices=10,
        token=gateway.token,
        ramp_per_s=100,
        habits=Habits(pause_s=(1.5, 2.0), kinds=("manual",), turn_frames=(3, 5), die=0.0),
    )
    counts = report.counts
    assert report.elapsed_s < LONGEST_S  # they were answered
    assert counts.violations == counts.lost == counts.closed.total() == 0


async def test_a_client_that_answers_no_unknown_method_is_not_disturbed(
    start_gateway: Callable[..., Any],
) -> None:
    gateway = await start_gateway(profiles=FAST)
    heard: list[dict[str, Any]] = []

    async def note(message: dict[str, Any]) -> None:
        heard.append(message)

    client = XiaoZhiWebsocket(note, ota_url=f"http://127.0.0.1:{gateway.port}/xiaozhi/ota")
    assert await client.init_connection("02:00:00:00:00:AA")
    await eventually(lambda: gateway.counters.keepalives_sent >= 3)
    assert gateway.counters.probes_answered == 0
    await client.send_text("hello")
    await eventually(lambda: any(message["type"] == "stt" for message in heard))
    await asyncio.wait_for(client.close(), 5)
