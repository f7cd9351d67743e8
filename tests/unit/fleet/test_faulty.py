"""Each fault of a device, with the server by hand."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from keepline.fleet.chance import Chance
from keepline.fleet.device import Device
from keepline.fleet.faults import (
    NO_FAULTS,
    BadInput,
    Dying,
    Fault,
    Faults,
    Lasting,
    Recurring,
    Storm,
)
from keepline.fleet.faulty import ASK_BYTES, FaultyDevice, make_device
from keepline.fleet.habits import FRAME_S, Habits
from keepline.fleet.identity import Identity
from keepline.fleet.reaction import Action, Phase
from keepline.fleet.tally import Counts, Tally
from keepline.wire import frames
from keepline.wire.events import Ping, Text
from keepline.wire.messages import Custom, Tts, parse_device_message
from tests.unit.fleet.by_hand import START, Server, phase_of, talker

QUIET = Habits(pause_s=(900.0, 900.0), at_once=0.0, die=0.0, hang_up=0.0, numbers=True)
IDENTITY = Identity(device_id="d", client_id="c", host="h", target="/", token=None)


def faulty(faults: Faults, habits: Habits = QUIET) -> Server:
    device = make_device(
        IDENTITY,
        habits,
        Random(1),
        Tally(),
        first_due=START + 1,
        faults=faults,
        started=START,
    )
    assert isinstance(device, FaultyDevice)
    server = Server(device)
    server.greets()
    return server


def counts_of(server: Server) -> Counts:
    return server.device._tally.counts


def action_of(server: Server) -> Action | None:
    return server.action


def until_fault(server: Server, fault: Fault) -> None:
    """Let time pass until it has happened."""
    for _ in range(2_000):
        server.waits()
        if counts_of(server).faults[fault.value]:
            return
    raise AssertionError(f"no {fault.value}")


def test_a_fleet_without_faults_is_made_of_plain_devices() -> None:
    device = make_device(
        IDENTITY, QUIET, Chance(1, 1), Tally(), first_due=1.0, faults=NO_FAULTS, started=0.0
    )
    assert type(device) is Device


def test_an_idle_device_dies_silently_and_is_away_for_its_time() -> None:
    server = faulty(Faults(die=Dying(share=1.0, away_s=(50.0, 50.0))))
    until_fault(server, Fault.DIE)
    assert server.action is Action.FREEZE
    assert phase_of(server.device) is Phase.DEAD
    assert server.device.deathwatch is not None
    died_at = server.now
    server.device.deathwatch.receive(frames.close_frame(1001), died_at + 4.0)
    verdicts = server.device._tally.verdicts
    assert verdicts["idle"].quantiles().max_s == pytest.approx(4.0)
    server.greets()
    assert server.now == died_at + 50.0


def test_a_streaming_device_dies_in_the_middle_when_it_is_to() -> None:
    faults = Faults(die=Dying(share=1.0, every_s=2.0, during="talking"))
    server = faulty(faults, talker("manual", frames=500))
    until_fault(server, Fault.DIE)
    assert server.device.deathwatch is not None
    server.device.deathwatch.ended(server.now + 2.5, reset=True)
    assert server.device._tally.verdicts["streaming"].count == 1
    assert server.device._tally.verdicts["idle"].count == 0
    assert counts_of(server).verdicts == {"rst": 1}


@pytest.mark.parametrize(("name", "action"), [("hang_up", Action.HANG_UP), ("reset", Action.RESET)])
def test_tcp_is_ended_without_a_close_frame(name: str, action: Action) -> None:
    server = faulty(Faults(**{name: Recurring(share=1.0)}))  # type: ignore[arg-type]
    server.events.clear()
    until_fault(server, Fault(name))
    assert server.action is action
    assert server.events == []
    assert phase_of(server.device) is Phase.OFF
    assert counts_of(server).closed.total() == counts_of(server).lost == 0


def test_in_a_storm_everybody_leaves_at_once_and_is_back_within_its_time() -> None:
    server = faulty(Faults(storm=Storm(share=1.0, every_s=10.0, within_s=0.5)))
    until_fault(server, Fault.STORM)
    assert server.now == START + 10.0
    assert server.action is Action.HANG_UP
    assert START + 10.0 <= server.device.due <= START + 10.5
    server.greets()
    assert server.device.is_connected


def test_a_stall_reads_and_says_nothing_and_then_goes_on() -> None:
    faults = Faults(stall=Lasting(share=1.0, every_s=4.0, for_s=(3.0, 3.0)))
    server = faulty(faults, talker("manual", frames=500))
    until_fault(server, Fault.STALL)
    assert server.action is Action.PAUSE
    stalled_at, sent = server.now, counts_of(server).frames_sent
    while action_of(server) is not Action.RESUME:
        server.waits()
        assert server.now <= stalled_at + 3.001
    assert server.now == pytest.approx(stalled_at + 3.0)
    assert counts_of(server).frames_sent == sent
    server.waits()
    assert counts_of(server).frames_sent == sent + 1
    assert server.now < stalled_at + 3.0 + 2 * FRAME_S


def test_what_a_stalled_turn_misses_is_not_the_server_s_loss() -> None:
    faults = Faults(stall=Lasting(share=1.0, every_s=0.5, for_s=(3.0, 3.0)))
    server = faulty(faults, talker("manual", frames=20))
    until_fault(server, Fault.STALL)
    server.waits()
    for _ in range(200):
        server.waits()
        if phase_of(server.device) is Phase.WAITING:
            break
    server.says(Tts("stop"))
    assert counts_of(server).frames_lost == 0
    assert server.device.spoilt


def test_a_slow_reader_asks_for_much_while_it_reads_nothing() -> None:
    server = faulty(Faults(slow_reader=Lasting(share=1.0, for_s=(2.0, 2.0))))
    until_fault(server, Fault.SLOW_READER)
    assert server.action is Action.PAUSE
    paused_at = server.now
    server.events.clear()
    while action_of(server) is not Action.RESUME:
        server.waits()
    assert server.now == pytest.approx(paused_at + 2.0)
    asked = [event for event in server.events if isinstance(event, Text)]
    assert len(asked) == pytest.approx(20, abs=1)
    message = parse_device_message(asked[0].text)
    assert isinstance(message, Custom)
    assert len(message.payload["pad"]) == ASK_BYTES
    assert server.device.is_connected
    assert server.device.due > server.now + 1.0  # and asks no more


def test_bad_input_is_said_and_the_close_that_follows_is_put_down_to_it() -> None:
    server = faulty(Faults(bad_input=BadInput(share=1.0, kinds=("pings",))))
    server.events.clear()
    until_fault(server, Fault.BAD_INPUT)
    assert any(isinstance(event, Ping) for event in server.events)
    server.sends(frames.close_frame(1008, "flooding"))
    counts = counts_of(server)
    assert counts.after_fault == {"1008": 1}
    assert not counts.closed
    assert counts.bad_input == {"pings": 1}


def test_after_a_fault_the_next_connection_is_a_good_one() -> None:
    server = faulty(Faults(bad_input=BadInput(share=1.0, every_s=1.0, kinds=("json",))))
    until_fault(server, Fault.BAD_INPUT)
    assert server.device.spoilt
    server.device.lost(server.now, reset=True)
    assert counts_of(server).after_fault == {"rst": 1}
    server.greets()
    assert not server.device.spoilt
    server.sends(frames.close_frame(1001))
    assert counts_of(server).closed == {1001: 1}


def test_numbers_under_way_when_it_misbehaves_are_cut_and_not_lost() -> None:
    server = faulty(Faults(reset=Recurring(share=1.0)))
    assert counts_of(server).numbers_sent == 1
    until_fault(server, Fault.RESET)
    assert (counts_of(server).numbers_cut, counts_of(server).numbers_lost) == (1, 0)


def test_no_fault_comes_while_it_is_not_connected() -> None:
    server = faulty(Faults(reset=Recurring(share=1.0, every_s=1.0)))
    until_fault(server, Fault.RESET)
    assert server.device.due == START + 1 + 900.0 or server.device.due > server.now + 100.0
    assert counts_of(server).faults == {"reset": 1}


def test_the_same_seed_does_the_same_wrong_things() -> None:
    faults = Faults(
        bad_input=BadInput(share=0.5, every_s=3.0),
        stall=Lasting(share=0.5, every_s=5.0, for_s=(0.5, 1.0)),
    )

    def lives(seed: int) -> list[Any]:
        found: list[Any] = []
        for index in range(10):
            device = make_device(
                IDENTITY,
                talker("realtime", frames=30),
                Chance(seed, index),
                Tally(),
                first_due=START,
                faults=faults,
                started=START,
            )
            server = Server(device)
            server.greets()
            while server.now < START + 30 and server.device.is_connected:
                server.device.tick(server.now)
                server.now = max(server.now, server.device.due)
            counts = device._tally.counts
            found.append((server.now, counts.frames_sent, counts.faults, counts.bad_input))
        return found

    assert lives(1) == lives(1)
    assert lives(1) != lives(2)
