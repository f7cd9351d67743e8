from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from io import StringIO
from typing import Any

import pytest

from keepline.errors import HubDownError
from keepline.hub.twin import TwinHub
from keepline.log import Log
from keepline.monitor.gauges import Gauge
from keepline.monitor.metrics import Counters
from keepline.monitor.process.reading import Reading
from keepline.monitor.sample import Sample
from keepline.monitor.sampler import Sampler, Watched
from keepline.reasons import CloseReason
from keepline.testing.moved_time import MovedTime


class Machine:
    """Says how the process is, and remembers how often it was asked for what is slow."""

    def __init__(self) -> None:
        self.asked_slowly: list[bool] = []

    def read(self, *, slow: bool) -> Reading:
        self.asked_slowly.append(slow)
        return Reading(1_000, None, 4_000, len(self.asked_slowly) * 1.0, {}, None, 7, 1_024)


class Scene:
    """A sampler in time that is moved by hand; its node has as many connections as is said."""

    def __init__(self, time: MovedTime) -> None:
        self.time = time
        self.counters = Counters()
        self.hub = TwinHub(time.clock)
        self.machine = Machine()
        self.connections = 3
        self.is_pressed = False
        self.may_look = asyncio.Event()
        self.may_look.set()
        self.log_lines = StringIO()
        self.told: list[Sample] = []
        self.sampler = self.make()

    def make(self) -> Sampler:
        async def look_around() -> dict[Gauge, float | None]:
            await self.may_look.wait()
            return {Gauge.CONNECTIONS: self.connections, Gauge.LOOP_LAG_MAX_S: 0.003}

        return Sampler(
            Watched(
                self.counters, self.hub, look_around, self.machine, lambda: 1 + self.is_pressed
            ),
            interval_s=5.0,
            clock=self.time.clock,
            loop=asyncio.get_running_loop(),
            executor=self.time.threads,
            log=Log(self.log_lines, self.time.clock, style="json"),
        )

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_lines.getvalue().splitlines()]


def in_moved_time(test: Callable[[Scene], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on asyncio's own loop, whose time can be moved."""

    async def within() -> None:
        time = MovedTime()
        time.start()
        scene = Scene(time)
        scene.sampler.on_sample.append(scene.told.append)
        await scene.sampler.start()
        try:
            await test(scene)
        finally:
            await scene.sampler.stop()
            time.stop()

    def run() -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(within())

    return run


@in_moved_time
async def test_a_sample_is_taken_at_each_multiple_of_the_interval(scene: Scene) -> None:
    scene.time.clock.step_wall(-(scene.time.clock.wall() % 5) + 4.0)
    await scene.sampler.stop()
    await scene.sampler.start()
    await scene.time.advance(20.0)
    assert [round(sample.at % 5, 6) % 5 for sample in scene.told] == [0.0] * len(scene.told)
    assert len(scene.told) in {3, 4}
    assert scene.sampler.latest is scene.told[-1]


@in_moved_time
async def test_a_sample_has_what_the_node_the_counters_and_the_machine_say(scene: Scene) -> None:
    await scene.time.advance(10.0)
    scene.counters.bytes_in += 500
    scene.counters.disconnects[CloseReason.KICKED] += 2
    scene.connections = 8
    await scene.time.advance(5.0)
    latest = scene.sampler.latest
    assert latest is not None
    assert latest.value(Gauge.CONNECTIONS) == 8
    assert latest.value(Gauge.MEMORY_BYTES) == 1_000
    assert latest.value(Gauge.RECEIVED_BYTES_PER_S) == pytest.approx(100.0)
    assert latest.value(Gauge.CPU_PERCENT) == pytest.approx(20.0)
    assert latest.endings == {CloseReason.KICKED: 2}


@in_moved_time
async def test_no_quantile_of_lateness_is_above_the_most(scene: Scene) -> None:
    scene.counters.loop_lag.observe(0.003)  # in the bucket up to 0.005
    await scene.time.advance(10.0)
    assert scene.told[0].value(Gauge.LOOP_LAG_P95_S) == 0.003


@in_moved_time
async def test_what_is_slow_to_read_is_read_once_a_minute(scene: Scene) -> None:
    await scene.time.advance(180.0)
    assert scene.machine.asked_slowly[0]  # at the start
    assert scene.machine.asked_slowly[1:].count(True) in {2, 3}
    assert len(scene.machine.asked_slowly) in {36, 37}


@in_moved_time
async def test_while_there_is_no_time_for_it_every_second_sample_is_left_out(scene: Scene) -> None:
    scene.is_pressed = True
    await scene.time.advance(40.0)
    assert len(scene.told) == 4
    scene.is_pressed = False
    await scene.time.advance(20.0)
    assert len(scene.told) == 8


@in_moved_time
async def test_a_sample_that_is_not_through_costs_the_next_one_and_no_more(scene: Scene) -> None:
    scene.may_look.clear()
    await scene.time.advance(21.0)
    assert scene.told == []
    assert scene.sampler.missed in {3, 4}
    scene.may_look.set()
    await scene.time.advance(10.0)
    assert len(scene.told) in {2, 3}


@in_moved_time
async def test_who_listens_and_raises_keeps_nobody_else_from_hearing(scene: Scene) -> None:
    def raises(_: Sample) -> None:
        raise ZeroDivisionError

    heard: list[Sample] = []
    scene.sampler.on_sample[:0] = [raises]
    scene.sampler.on_sample.append(heard.append)
    await scene.time.advance(10.0)
    assert heard == scene.told != []
    assert {line["event"] for line in scene.logged()} == {"sample_listener_failed"}


@in_moved_time
async def test_a_look_that_fails_is_told_and_the_next_is_taken(scene: Scene) -> None:
    scene.machine.read = lambda **_: 1 / 0  # type: ignore[method-assign, assignment]
    await scene.time.advance(10.0)
    assert {line["event"] for line in scene.logged()} == {"sample_failed"}
    del scene.machine.read
    await scene.time.advance(10.0)
    assert scene.told != []


@in_moved_time
async def test_what_was_seen_is_there_again_after_a_restart(scene: Scene) -> None:
    await scene.time.advance(300.0)
    await scene.sampler.stop()
    before = scene.sampler.rings.series(Gauge.CONNECTIONS, 3_600.0)
    await scene.time.advance(600.0)
    heir = scene.make()
    await heir.start()
    assert heir.rings.series(Gauge.CONNECTIONS, 3_600.0) == before
    assert len(before.times) in {59, 60}
    await heir.stop()


@in_moved_time
async def test_a_life_that_is_killed_has_lost_a_minute_at_most(scene: Scene) -> None:
    await scene.time.advance(300.0)
    heir = scene.make()
    await heir.start()
    lost = len(scene.told) - len(heir.rings.series(Gauge.CONNECTIONS, 3_600.0).times)
    assert 0 <= lost <= 12
    await heir.stop()


@in_moved_time
async def test_a_store_that_is_away_costs_the_past_alone(scene: Scene) -> None:
    async def rows() -> list[Any]:
        raise HubDownError("away")

    scene.hub.rows = rows  # type: ignore[method-assign]
    heir = scene.make()
    await heir.start()
    await scene.time.advance(10.0)
    assert heir.latest is not None
    assert "series_unreadable" in {line["event"] for line in scene.logged()}
    await heir.stop()


@in_moved_time
async def test_after_the_stop_nothing_is_looked_at(scene: Scene) -> None:
    await scene.time.advance(10.0)
    await scene.sampler.stop()
    await scene.sampler.stop()
    asked = len(scene.machine.asked_slowly)
    await scene.time.advance(60.0)
    assert len(scene.machine.asked_slowly) == asked


@in_moved_time
async def test_a_stop_in_the_middle_of_a_sample_ends_it(scene: Scene) -> None:
    scene.may_look.clear()
    await scene.time.advance(8.0)
    await scene.sampler.stop()
    scene.may_look.set()
    await scene.time.advance(1.0)
    assert scene.told == []


@in_moved_time
async def test_of_a_time_in_which_two_look_at_themselves_the_heir_s_is_kept(scene: Scene) -> None:
    await scene.time.advance(90.0)
    scene.sampler.leave()
    kept = len(await scene.hub.rows())
    assert kept >= 17  # all up to now
    await scene.time.advance(180.0)
    assert len(await scene.hub.rows()) == kept
    scene.sampler.stay()
    await scene.time.advance(120.0)
    assert len(await scene.hub.rows()) > kept
    scene.sampler.leave()
    kept = len(await scene.hub.rows())
    await scene.sampler.stop()
    assert len(await scene.hub.rows()) == kept
