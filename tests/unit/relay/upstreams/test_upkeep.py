from __future__ import annotations

import asyncio
import json
from io import StringIO
from typing import Any

import pytest

from keepline.clock import ManualClock
from keepline.log import Log
from keepline.relay.upstreams import upkeep
from keepline.relay.upstreams.upkeep import Upkeep
from keepline.relay.upstreams.upstream import UNHEALTHY_CHECKS, Upstream
from keepline.settings.upstream import Upstreams
from tests.unit.relay.upstreams.pools import eject
from tests.waiting import PATIENCE_S, eventually, within

URLS = ("ws://voice-0/?key=s3cret", "ws://voice-1/")


def upkeep_with(**settings: Any) -> tuple[Upkeep, StringIO]:
    lines, clock = StringIO(), ManualClock()
    log = Log(lines, clock, level="info", style="json", fold_per_s=100)
    return Upkeep(Upstreams(urls=URLS, **settings), clock=clock, log=log, random=lambda: 0.0), lines


def logged(lines: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def chosen(kept: Upkeep, times: int) -> set[Upstream]:
    found = {kept.pool.choose("d", kept.now(), lambda: 0.0) for _ in range(times)}
    return {each for each in found if each is not None}


def test_each_change_is_one_line_of_the_log_and_none_has_the_query() -> None:
    kept, lines = upkeep_with()
    first = kept.pool.upstreams[0]
    eject(first)
    first.begin()
    first.opened(10.0)
    kept.drain("ws://voice-1/")
    kept.undrain("ws://voice-1/")
    assert [line["event"] for line in logged(lines)] == [
        *("upstream_ejected", "upstream_returned", "upstream_draining", "upstream_undrained")
    ]
    ejected = logged(lines)[0]
    assert (ejected["upstream"], ejected["why"], ejected["for_s"]) == (
        *("ws://voice-0/", "refused", 10.0),
    )
    assert "s3cret" not in lines.getvalue()


def test_panic_is_an_error_in_the_log_and_its_end_is_told() -> None:
    kept, lines = upkeep_with(slow_start_s=0.0)
    for each in kept.pool.upstreams:
        eject(each)
    for each in chosen(kept, 3):
        each.opened(0.0)
    chosen(kept, 1)
    events = [(line["level"], line["event"]) for line in logged(lines)]
    assert ("error", "upstreams_panic") in events
    assert ("info", "upstreams_panic_over") in events


def test_a_draining_one_is_chosen_no_more_and_who_empties_it_is_told() -> None:
    kept, _ = upkeep_with()
    told: list[Upstream] = []
    kept.on_draining = told.append
    assert kept.drain("ws://voice-1/") is kept.pool.upstreams[1]
    assert kept.drain("ws://elsewhere/") is None
    assert kept.undrain("ws://elsewhere/") is None
    assert chosen(kept, 9) == {kept.pool.upstreams[0]}
    assert told == [kept.pool.upstreams[1]]


async def test_each_upstream_is_checked_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def check(upstream: Upstream, path: str, timeout_s: float, tls: object) -> str:
        del timeout_s, tls
        asked.append(f"{upstream.index} {path}")
        return "status 500" if upstream.index == 0 else ""

    monkeypatch.setattr(upkeep, "check", check)
    kept, lines = upkeep_with(check_path="/health", check_s=0.001)
    kept.start()
    often = 1 + UNHEALTHY_CHECKS  # the first look ejects nobody
    await eventually(
        lambda: kept.pool.upstreams[0].is_ejected and asked.count("1 /health") >= often
    )
    await kept.stop()
    assert {"0 /health", "1 /health"} == set(asked)
    assert asked.count("0 /health") >= often
    assert [each.is_ejected for each in kept.pool.upstreams] == [True, False]
    assert [line["event"] for line in logged(lines)] == ["upstream_not_reached", "upstream_ejected"]
    assert {line["why"] for line in logged(lines)} == {"status 500"}


async def test_one_that_is_not_there_at_the_start_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def check(upstream: Upstream, *_: object) -> str:
        return "connection refused" if upstream.index == 0 else ""

    monkeypatch.setattr(upkeep, "check", check)
    kept, lines = upkeep_with()
    monkeypatch.setattr(kept, "_random", lambda: 0.5)
    kept.start()
    await asyncio.sleep(0)
    await kept.stop()
    [line] = logged(lines)
    assert (line["event"], line["upstream"]) == ("upstream_not_reached", "ws://voice-0/")
    assert (line["why"], "--upstream" in line["hint"]) == ("connection refused", True)
    assert not kept.pool.upstreams[0].is_ejected  # that takes two checks


async def test_a_check_that_fails_by_a_fault_of_ours_is_told_and_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: set[Upstream] = set()
    again = asyncio.Event()

    async def check(upstream: Upstream, *_: object) -> str:
        if upstream in asked:
            again.set()
            return ""
        asked.add(upstream)
        raise ZeroDivisionError

    monkeypatch.setattr(upkeep, "check", check)
    kept, lines = upkeep_with(check_s=0.001)
    kept.start()
    async with within(PATIENCE_S):
        await again.wait()
    await kept.stop()
    assert {line["event"] for line in logged(lines)} == {"upstream_check_failed"}


async def test_checks_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "check", None)
    kept, _ = upkeep_with(check_s=None)
    kept.start()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
    await kept.stop()
