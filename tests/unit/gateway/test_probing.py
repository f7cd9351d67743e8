"""What the gateway sends of itself: when, to whom, and that nobody notices."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from keepline.lifecycle.heartbeat import LEARNING, MUTE, PINGED, PROBED
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from keepline.wire.messages import Hello, Stt
from keepline.wire.probe import LAST_ID
from tests.unit.gateway.fakes import Life, World

MCP = Hello(features={"mcp": True})
NEVER = {"xiaozhi": {"pongs": "never"}}


def answer(number: int) -> str:
    """Return what stock firmware answers to a method that it does not have."""
    error = {"message": "Method not implemented: keepline/alive"}
    payload = {"jsonrpc": "2.0", "id": LAST_ID - number, "error": error}
    return json.dumps({"session_id": "", "type": "mcp", "payload": payload})


class Device:
    """Reads what is written to it as it comes; pongs and answers probes if told so."""

    def __init__(self, world: World, life: Life, *, pongs: bool, answers: bool) -> None:
        self.life = life
        self._world = world
        self._pongs = pongs
        self._answers = answers
        self._read = len(life.transport.written)
        self.data: list[tuple[float, dict[str, Any]]] = []  # when, since the start
        self.pinged = 0
        life.transport.on_write = self._take

    def _take(self) -> None:
        for frame in self.life.transport.written[self._read :]:
            self._read += 1
            if frame[0] & 0x0F == Opcode.PING:
                self.pinged += 1
                if self._pongs:
                    self.life.pongs(frame[2:])
            elif frame[0] & 0x0F == Opcode.TEXT:
                message = json.loads(frame[frame.index(b"{") :])
                self.data.append((round(self._world.node.ticker.now, 1), message))
                if self._answers and message["type"] == "mcp":
                    self.life.says(answer(LAST_ID - message["payload"]["id"]))

    @property
    def numbers(self) -> list[int]:
        """The numbers of the probes it was sent."""
        return [
            LAST_ID - message["payload"]["id"]
            for _, message in self.data
            if message["type"] == "mcp"
        ]

    def longest_without_data_s(self, since: float, until: float) -> float:
        times = [since, *(at for at, _ in self.data), until]
        return max(later - earlier for earlier, later in pairwise(times))


def device(
    world: World, hello: Hello = MCP, *, pongs: bool = True, answers: bool = True, number: int = 1
) -> Device:
    life = world.connect(f"device-{number}", hello)
    return Device(world, life, pongs=pongs, answers=answers)


# -- the keepalive -------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["adaptive", "seed"])
@pytest.mark.parametrize("hello", [MCP, Hello()])
async def test_a_silent_device_is_sent_data_in_time_and_nobody_is_woken(
    preset: str, hello: Hello
) -> None:
    world = World(heartbeat={"preset": preset})
    began = world.node.ticker.now
    quiet = device(world, hello)
    world.pass_time(1_000.0)
    assert quiet.longest_without_data_s(began, began + 1_000.0) <= 100.1
    assert 9 <= len(quiet.data) <= 12
    assert quiet.life.handler.names == ["opened", "idle"]
    assert quiet.life.connection.lifecycle.state is State.IDLE
    assert world.counters.keepalives_sent == len(quiet.data)
    assert world.counters.probes_sent == 0


async def test_where_intervals_are_learned_it_leaves_with_a_ping_and_in_time() -> None:
    world = World(tuning={"verdict_s": 120})
    quiet = device(world, Hello())
    quiet.life.connection.address = "192.0.2.7"
    began = world.node.ticker.now
    for _ in range(20_000):
        keepalives, pings = len(quiet.data), quiet.pinged
        world.pass_time(0.1)
        assert len(quiet.data) - keepalives <= quiet.pinged - pings
    assert quiet.longest_without_data_s(began, began + 2_000.0) <= 100.1
    assert quiet.pinged < 20 + 20 + 4 * 5 + 15, "intervals have grown meanwhile"
    assert len(quiet.data) >= 20


async def test_the_first_keepalive_waits_for_no_ping() -> None:
    world = World(profiles={"xiaozhi": {"keepalive_s": 2}}, session={"idle_after_s": 60})
    began = world.node.ticker.now
    quiet = device(world)
    world.pass_time(5.0)  # the first ping is due after 7.5 s at the earliest
    assert quiet.longest_without_data_s(began, began + 5.0) <= 2.1


async def test_a_device_that_speaks_mcp_is_asked_and_the_others_are_told() -> None:
    world = World()
    asked, told = device(world, MCP), device(world, Hello(), number=2)
    world.pass_time(110.0)
    assert asked.numbers == [0]
    assert [message for _, message in told.data] == [{"type": "keepalive"}]
    assert world.counters.probes_answered == 1


async def test_what_the_handler_sends_puts_the_keepalive_off() -> None:
    world = World()
    busy = device(world)
    for _ in range(10):
        world.pass_time(60.0)
        busy.life.session.send(Stt(text="x"))
        busy.life.session.send_audio(b"x")
    assert world.counters.keepalives_sent == 0


async def test_what_the_device_sends_does_not() -> None:
    world = World()
    talking = device(world)
    for _ in range(110):
        world.pass_time(1.0)
        talking.life.says('{"type":"abort"}')
    assert world.counters.keepalives_sent == 1


async def test_a_browser_is_sent_none() -> None:
    world = World(profiles={"xiaozhi": {"keepalive_s": None}})
    browser = device(world)
    world.pass_time(300.0)
    assert browser.data == []
    assert world.counters.keepalives_sent == 0


async def test_nothing_is_sent_after_a_close_nor_before_a_hello() -> None:
    profiles = {"xiaozhi": {"keepalive_s": 1, "close_timeout_s": 60}}
    world = World(profiles=profiles, drain={"limit_s": 90})
    leaving = device(world)
    leaving.life.session.close()
    world.pass_time(10.0)
    assert world.counters.keepalives_sent == 0


async def test_a_peer_that_does_not_read_is_not_sent_more() -> None:
    world = World(profiles={"xiaozhi": {"keepalive_s": 1}})
    stuck = device(world)
    stuck.life.connection.pause_writing()
    stuck.life.transport.buffered_bytes = 100
    world.pass_time(10.0)
    assert world.counters.keepalives_sent == 0


@pytest.mark.parametrize("preset", ["adaptive", "seed"])
async def test_a_fleet_that_came_in_one_second_is_not_sent_to_in_one(preset: str) -> None:
    world = World(heartbeat={"preset": preset})
    fleet = []
    for tick in range(10):
        fleet += [device(world, number=100 * tick + number) for number in range(100)]
        world.pass_time(0.1)
    world.pass_time(210.0)
    times = [at for member in fleet for at, _ in member.data]
    assert len(times) >= 2 * len(fleet)
    assert max(Counter(times).values()) <= 20  # of a thousand, in a tenth of a second
    assert max(Counter(int(at) for at in times).values()) <= 80


# -- answers -------------------------------------------------------------------------------


async def test_an_answer_is_life_and_no_activity() -> None:
    world = World()
    idle = device(world, answers=False)
    world.pass_time(40.0)
    messages_in = world.counters.messages_in
    idle.life.says(answer(0))
    assert idle.life.connection.heartbeat.last_rx == world.node.ticker.now
    assert idle.life.connection.lifecycle.state is State.IDLE
    assert idle.life.handler.names == ["opened", "idle"]
    assert world.counters.messages_in == messages_in


@pytest.mark.parametrize("number", [0, 1, 7, 99_999_999])
async def test_an_answer_that_nobody_waits_for_is_dropped(number: int) -> None:
    world = World()
    for hello in (MCP, Hello()):
        forger = device(world, hello)
        forger.life.says(answer(number))
        assert forger.life.handler.names == ["opened"]
        assert forger.life.connection.heartbeat.round_trips is None
        assert forger.life.connection.lifecycle.state is State.ACTIVE


async def test_answers_to_the_handlers_own_requests_reach_it() -> None:
    world = World()
    life = device(world).life
    life.says('{"type":"mcp","payload":{"jsonrpc":"2.0","id":1,"result":{}}}')
    life.says('{"type":"mcp","payload":{"jsonrpc":"2.0","id":-20,"result":{}}}')
    assert life.handler.names == ["opened", "text", "text"]


# -- devices that never pong ---------------------------------------------------------------


async def test_a_device_that_never_pongs_is_found_out_and_kept_by_probes() -> None:
    world = World()
    deaf = device(world, pongs=False)
    world.pass_time(600.0)
    heartbeat = deaf.life.connection.heartbeat
    assert heartbeat.means == PROBED
    assert heartbeat.round_trips is not None
    assert deaf.pinged == 2
    assert sum(world.counters.rtt.counts) == heartbeat.pongs == world.counters.probes_answered
    assert world.counters.keepalives_sent == 0  # the probes are data, too
    assert world.counters.suspicions == 0
    assert deaf.life.handler.names == ["opened", "idle"]


async def test_a_device_that_never_pongs_and_goes_is_given_up_by_the_adaptive_verdict() -> None:
    world = World()
    deaf = device(world, pongs=False)
    world.pass_time(120.0)
    deaf.life.transport.on_write = None
    world.pass_time(40.0)  # I + 5.5 P = 37 s
    assert deaf.life.connection.lifecycle.reason is CloseReason.HEARTBEAT_TIMEOUT


async def test_a_device_that_pongs_is_never_probed() -> None:
    world = World()
    usual = device(world)
    world.pass_time(80.0)
    assert usual.life.connection.heartbeat.means == PINGED
    assert usual.numbers == []


async def test_audio_alone_keeps_a_device_that_answers_nothing() -> None:
    world = World()
    deaf = device(world, pongs=False, answers=False)
    for _ in range(300):
        world.pass_time(1.0)
        deaf.life.streams(b"x")
    assert deaf.life.connection.lifecycle.reason is None
    assert world.counters.suspicions == 0


async def test_a_profile_may_say_that_nobody_pongs() -> None:
    world = World(profiles=NEVER)
    deaf = device(world, pongs=False)
    assert deaf.life.connection.heartbeat.means == PROBED
    world.pass_time(120.0)
    assert deaf.pinged == 0
    assert world.counters.suspicions == 0


@pytest.mark.parametrize(("kernel_timeout_s", "means"), [(30.0, MUTE), (None, PINGED)])
async def test_who_neither_pongs_nor_speaks_mcp_is_left_to_a_kernel_that_judges(
    kernel_timeout_s: float | None, means: int
) -> None:
    world = World(profiles=NEVER, server={"port": 0, "kernel_timeout_s": kernel_timeout_s})
    mute = device(world, Hello(), pongs=False)
    assert mute.life.connection.heartbeat.means == means
    world.pass_time(300.0)
    reason = mute.life.connection.lifecycle.reason
    assert reason is (None if means == MUTE else CloseReason.HEARTBEAT_TIMEOUT)
    assert mute.pinged >= 4  # so that there is something to acknowledge


async def test_a_device_of_stock_firmware_is_watched_before_it_is_probed() -> None:
    assert device(World()).life.connection.heartbeat.means == LEARNING
