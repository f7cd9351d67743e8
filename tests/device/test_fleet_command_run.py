"""What `keepline fleet` runs, against a real gateway: faults, verdicts, losses, configuration."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keepline.fleet.faults import BadInput, Dying, Faults, Lasting, Recurring, Storm
from keepline.fleet.habits import Habits, habits_of
from keepline.fleet.report import Report
from keepline.gateway.enrolment.desk import Desk
from keepline.gateway.session import Session
from keepline.handlers.echo import Echo
from keepline.wire.messages import Custom, DeviceMessage
from tests.device.fleets import Enough, live_until
from tests.gateway.tls_peers import Authority
from tests.waiting import eventually

IDLE = habits_of(0.0, "firmware", (1, 2, 3), numbers=True)
TALKING = Habits(
    pause_s=(0.2, 0.4), turn_frames=(5, 15), hang_up=0.0, die=0.0, reconnect_s=0.3, numbers=True
)
ONE_STORM = Faults(storm=Storm(share=1.0, every_s=3.0, within_s=0.2))  # by then it is over


async def run(gateway: Any, habits: Habits, enough: Enough, **other: Any) -> Report:
    options = {"url": gateway.url, "devices": 30, "token": gateway.token, "ramp_per_s": 300}
    return await live_until(enough, **(options | {"habits": habits} | other))


def are_there(devices: int) -> Enough:
    return lambda report: report.connected == devices


async def test_a_healthy_fleet_loses_nothing_and_all_goes_well(gateway: Any) -> None:
    def has_talked(report: Report) -> bool:
        counts = report.counts
        return (
            min(report.elapsed_s - 3.0, counts.numbers_heard - 60, counts.frames_own - 300) > 0
            and min(report.first_audio.count - 20, report.lag.count - 300) > 0
        )

    report = await run(gateway, TALKING, has_talked)
    assert report.problems == []
    assert report.connected == 30
    counts = report.counts
    assert counts.numbers_heard > 60
    assert counts.frames_own > 300
    assert counts.numbers_lost == counts.frames_lost == counts.foreign_frames == 0
    assert report.rtt.count == counts.numbers_heard
    assert report.first_audio.count > 20
    assert 0 < report.connect_per_s < 320  # as they are switched on, or later
    assert report.lag.count > 300


async def test_a_verdict_is_timed_at_the_dead_ones_socket(start_gateway: Any) -> None:
    gateway = await start_gateway(heartbeat={"interval_s": 1.0, "probe_min_s": 0.2})
    # The breaker lets few go at once when a whole fleet falls silent, and none from a loop that
    # stands still again and again.
    faults = Faults(die=Dying(share=0.3, every_s=0.5, away_s=(90.0, 90.0)))

    def some_are_found_out(report: Report) -> bool:
        return report.counts.verdicts.total() >= 2

    report = await run(gateway, IDLE, some_are_found_out, faults=faults, devices=20)
    counts = report.counts
    assert counts.verdicts.total() + report.unjudged == counts.died
    assert counts.verdicts["1001"] == counts.verdicts.total() >= 2
    verdict = report.verdicts["idle"]
    assert verdict.count == counts.verdicts.total()
    assert verdict.p50_s is not None
    assert 0.6 < verdict.p50_s < report.elapsed_s  # 3.5 waits of 0.2 s, and the wheel's rounding
    assert report.problems == []


async def test_a_dead_streaming_device_is_noticed_sooner(start_gateway: Any) -> None:
    gateway = await start_gateway(heartbeat={"probe_min_s": 0.2})
    habits = Habits(kinds=("manual",), turn_frames=(400, 400), hang_up=0.0, die=0.0)
    faults = Faults(die=Dying(share=1.0, every_s=0.8, during="talking", away_s=(60.0, 60.0)))

    def one_is_found_out(report: Report) -> bool:
        return report.counts.died == 3 and report.verdicts["streaming"].count >= 1

    report = await run(gateway, habits, one_is_found_out, faults=faults, devices=3)
    assert report.counts.died == 3
    sooner_s = report.verdicts["streaming"].p50_s
    assert sooner_s is not None
    assert sooner_s < gateway.node.settings.heartbeat.ping_every_s


async def test_who_is_back_before_the_verdict_makes_none(gateway: Any) -> None:
    faults = Faults(die=Dying(share=1.0, every_s=0.4, away_s=(0.2, 0.3)))

    def some_are_back(report: Report) -> bool:
        return report.counts.returned_unnoticed >= 5

    report = await run(gateway, IDLE, some_are_back, faults=faults, devices=5)
    assert report.counts.died >= 5
    assert report.counts.returned_unnoticed >= 5
    assert report.counts.verdicts.total() == 0
    assert report.problems == []


async def test_bad_input_is_answered_by_its_code_and_costs_nobody_else_anything(
    gateway: Any,
) -> None:
    faults = Faults(bad_input=BadInput(share=0.5, every_s=0.4))

    def all_was_tried(report: Report) -> bool:
        counts = report.counts
        is_answered = {"1002", "1007", "1009"} <= set(counts.after_fault)
        return report.elapsed_s > 3.0 and len(counts.bad_input) == 6 and is_answered

    report = await run(gateway, TALKING, all_was_tried, faults=faults)
    counts = report.counts
    assert set(counts.bad_input) == {"utf8", "frame", "json", "oversize", "header", "pings"}
    assert set(counts.after_fault) <= {"1002", "1007", "1008", "1009", "rst", "fin"}
    assert {"1002", "1007", "1009"} <= set(counts.after_fault)
    assert report.problems == []
    assert gateway.counters.handler_failures == 0


@pytest.mark.parametrize("name", ["hang_up", "reset"])
async def test_tcp_that_devices_end_is_the_device_s_ending(gateway: Any, name: str) -> None:
    faults = Faults(**{name: Recurring(share=1.0, every_s=0.5)})  # type: ignore[arg-type]
    habits = habits_of(0.0, "firmware", (1,), numbers=True)

    def all_have_gone(report: Report) -> bool:
        return report.counts.faults[name] == 30 and report.connected == 0

    report = await run(gateway, habits, all_have_gone, faults=faults)
    assert report.counts.faults[name] == 30
    assert report.connected == 0
    assert report.problems == []
    await eventually(lambda: len(gateway.logged("device_disconnected")) == 30)
    causes = {line["cause"] for line in gateway.logged("device_disconnected")}
    assert causes == ({"device_closed"} if name == "hang_up" else {"device_reset"})


async def test_a_storm_brings_everybody_back(gateway: Any) -> None:
    def all_are_back(report: Report) -> bool:
        return report.counts.hellos == 60 and report.connected == 30

    report = await run(gateway, IDLE, all_are_back, faults=ONE_STORM)
    assert report.counts.faults["storm"] == 30
    assert report.counts.hellos == 60
    assert report.connected == 30
    assert report.problems == []


async def test_clients_with_receipts_acknowledge_what_they_hear_and_find_themselves_again(
    start_gateway: Any,
) -> None:
    gateway = await start_gateway(Remembering)
    habits = replace(IDLE, receipts=True)

    def all_are_found_again(report: Report) -> bool:
        return report.counts.outcomes["resumed"] == 30 and report.counts.receipts > 30

    report = await run(gateway, habits, all_are_found_again, faults=ONE_STORM)
    counts = report.counts
    assert counts.outcomes == {"new": 30, "resumed": 30}
    assert counts.receipts == counts.numbers_heard + counts.said_again > 30
    assert report.problems == []


async def test_stalls_and_slow_readers_are_lived_through_or_closed(gateway: Any) -> None:
    faults = Faults(
        stall=Lasting(share=0.3, every_s=0.5, for_s=(0.3, 0.6)),
        slow_reader=Lasting(share=0.3, every_s=0.5, for_s=(0.5, 1.0)),
    )

    def some_had_both(report: Report) -> bool:
        faults = report.counts.faults
        return report.elapsed_s > 3.0 and min(faults["stall"], faults["slow_reader"]) > 3

    report = await run(gateway, TALKING, some_had_both, faults=faults)
    assert report.counts.faults["stall"] > 3
    assert report.counts.faults["slow_reader"] > 3
    assert report.problems == []


class Remembering(Echo):
    """Has something to be remembered by."""

    def snapshot(self) -> bytes:
        return b"seen"

    def restore(self, state: bytes) -> None:
        assert state == b"seen"


class Forgetful(Echo):
    """Says the first number not at all, the second once, the third twice, and so on."""

    __slots__ = ("_heard",)

    def __init__(self) -> None:
        super().__init__()
        self._heard = 0

    def text(self, session: Session, message: DeviceMessage) -> None:
        if not isinstance(message, Custom):
            super().text(session, message)
            return
        for _ in range(self._heard % 3):
            session.send(message)
        self._heard += 1


async def test_a_server_that_loses_and_repeats_is_found_out(start_gateway: Any) -> None:
    gateway = await start_gateway(Forgetful)
    habits = Habits(kinds=("text",), turns=(8, 8), hang_up=0.0, die=0.0, numbers=True)

    def all_is_said(report: Report) -> bool:
        return report.counts.numbers_sent == 27 and report.counts.numbers_duplicated == 9

    report = await run(gateway, habits, all_is_said, devices=3)
    # Nine numbers each: three of them lost, three come twice.
    assert report.problems == [
        "control messages lost: 9 of 27",
        "control messages duplicated: 9 of 27",
    ]


async def test_a_server_that_goes_away_is_a_problem_that_is_told(start_gateway: Any) -> None:
    gateway = await start_gateway()
    seen: list[Report] = []

    def all_were_sent_away(report: Report) -> bool:
        seen.append(report)
        return report.counts.closed.total() == 30

    running = asyncio.create_task(run(gateway, IDLE, all_were_sent_away))
    await eventually(lambda: seen and seen[-1].connected == 30)
    await gateway.gateway.stop()
    report = await running
    (problem,) = report.problems
    assert problem == "connections ended by the other side: 30 (Close 1001: 30)"


async def test_a_fleet_is_configured_where_it_asks(gateway: Any) -> None:
    ota = f"http://127.0.0.1:{gateway.port}/xiaozhi/ota/"
    report = await run(gateway, IDLE, are_there(5), url=None, ota=ota, token=None, devices=5)
    assert report.problems == []
    assert report.connected == 5


async def test_told_to_go_where_it_may_not_a_device_stays_away(gateway: Any) -> None:
    ota = f"http://127.0.0.1:{gateway.port}/xiaozhi/ota/"

    def both_were_told(report: Report) -> bool:
        return report.counts.failed["told_to_go_elsewhere"] >= 2

    other: dict[str, Any] = {"url": None, "ota": ota, "devices": 2, "may_visit": lambda _: False}
    report = await run(gateway, IDLE, both_were_told, **other)
    assert report.counts.failed["told_to_go_elsewhere"] >= 2
    assert report.connected == 0


SIGNED = {"mode": "signed", "token": None, "keys": ["one:a-secret-of-more-than-16-bytes"]}


async def test_codes_are_told_and_who_was_approved_is_let_in(start_gateway: Any) -> None:
    gateway = await start_gateway(enrolment={"policy": "activation"}, auth=SIGNED)
    desk = Desk(gateway.node.enrolment, gateway.node.clock, gateway.counters)
    codes: list[tuple[str, str]] = []
    approvals: list[asyncio.Task[Any]] = []

    def on_code(device_id: str, code: str) -> None:
        codes.append((device_id, code))
        if len(codes) == 1:
            approvals.append(asyncio.create_task(desk.approve(code, device_id)))

    ota = f"http://127.0.0.1:{gateway.port}/xiaozhi/ota/"

    def one_is_in(report: Report) -> bool:
        return report.connected == report.counts.awaiting == 1

    report = await run(gateway, IDLE, one_is_in, url=None, ota=ota, devices=2, on_code=on_code)
    assert len(codes) == 2
    assert all(code.isdigit() and len(code) == 6 for _, code in codes)
    assert report.connected == 1
    assert report.problems == ["1 device still waits to be approved"]
    await asyncio.gather(*approvals)


async def test_a_fleet_goes_over_tls_to_whom_it_trusts(start_gateway: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    gateway = await start_gateway(tls=authority.pair("localhost"))
    url = f"wss://localhost:{gateway.port}/xiaozhi/v1/"
    report = await run(gateway, IDLE, are_there(3), url=url, devices=3, tls=authority.client())
    assert report.problems == []
    assert report.connected == 3

    def all_have_failed(report: Report) -> bool:
        return report.counts.failed["SSLCertVerificationError"] >= 3

    stranger = await run(gateway, IDLE, all_have_failed, url=url, devices=3)
    assert stranger.counts.failed["SSLCertVerificationError"] >= 3
    assert stranger.connected == 0
