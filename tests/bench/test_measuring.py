"""Small measurements of the floor with real processes: figures come out, no process stays."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.candidates import CANDIDATES, FLOOR, KEEPLINE, Start
from bench.figures.burst import measure_burst
from bench.figures.drain import measure_drain
from bench.figures.flow import measure_flow
from bench.figures.hostile import measure_hostile
from bench.figures.stall import measure_stall
from bench.figures.storm import UNGOVERNED, measure_storm
from bench.figures.tls import measure_tls
from bench.load.attack import KINDS
from bench.plan import QUICK
from bench.procfs import tree
from bench.readings import BenchError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

TINY = replace(
    QUICK,
    accepted=20,
    accept_repeats=2,
    echo_devices=5,
    echo_s=0.1,
    echo_repeats=2,
    stall_fleet=20,
    idle_after_s=0.1,
    idle_window_s=0.1,
    probe_s=0.1,
    woken=3,
    encrypted=20,
    ping_windows=1,
    good_devices=10,
    quiet_s=0.2,
    attack_s=0.2,
    leaving=30,
    storm_devices=30,
    storm_s=0.3,
    rush_s=0.0,
    burst_devices=20,
    burst_frames=5,
    burst_quiet_s=0.3,
)
(FLOOR_SERVER,) = [candidate for candidate in CANDIDATES if candidate.name == FLOOR]


@pytest.fixture(autouse=True)
def _no_process_stays() -> object:
    before = set(tree(os.getpid()))
    yield
    assert set(tree(os.getpid())) == before


def test_coming_leaving_and_echoing_have_a_price_each_time() -> None:
    readings = measure_flow(FLOOR_SERVER, TINY)

    assert set(readings) == {"accept_us", "leave_us", "echo_us"}
    assert all(len(reading.values) == 2 for reading in readings.values())
    assert all(value > 0 for reading in readings.values() for value in reading.values)


def test_every_frame_of_the_probe_comes_back() -> None:
    readings = measure_stall(FLOOR_SERVER, TINY)

    assert readings["rtt_max"].facts["unanswered"] == 0
    assert readings["rtt_p50"].median <= readings["rtt_max"].median
    assert readings["wake_p99"].median > 0


def test_tls_has_a_price_beside_the_same_without_it() -> None:
    (keepline,) = [candidate for candidate in CANDIDATES if candidate.name == KEEPLINE]
    readings = measure_tls(keepline, TINY)

    kinds = ("plain", "tls")
    names = {f"{what}_{kind}" for kind in kinds for what in ("rss", "ping")}
    assert set(readings) == names | {f"accept_{kind}_us" for kind in kinds}
    assert readings["accept_tls_us"].median > readings["accept_plain_us"].median
    assert measure_tls(FLOOR_SERVER, TINY) == {}


def test_who_is_drained_is_resumed_with_what_it_was_told() -> None:
    (keepline,) = [candidate for candidate in CANDIDATES if candidate.name == KEEPLINE]
    readings = measure_drain(keepline, TINY)

    names = ("s", "of_plan", "us", "peak", "stall", "lost")
    assert set(readings) == {f"drain_{name}" for name in names}
    assert readings["drain_lost"].median == 0
    assert readings["drain_s"].facts["closed"] == 30
    assert measure_drain(FLOOR_SERVER, TINY) == {}


def test_good_devices_are_heard_while_each_kind_of_attack_goes_on() -> None:
    (keepline,) = [candidate for candidate in CANDIDATES if candidate.name == KEEPLINE]
    readings = measure_hostile(keepline, TINY)

    for kind in ("quiet", *KINDS):
        facts = readings[f"good_p99_{kind}"].facts
        assert facts["unanswered"] == facts["lost"] == facts["not_joined"] == 0
    assert all(readings[f"grown_{kind}"].facts["opened"] > 0 for kind in KINDS)
    assert measure_hostile(FLOOR_SERVER, TINY) == {}


def test_all_are_back_after_a_storm_with_the_governor_on_and_off() -> None:
    (keepline,) = [candidate for candidate in CANDIDATES if candidate.name == KEEPLINE]
    readings = measure_storm(keepline, TINY)

    for storm in ("storm", "rush"):
        for off in ("", UNGOVERNED):
            assert readings[f"{storm}_failed{off}"].median == 0
            assert readings[f"{storm}_over{off}"].facts["refused"] == 0
            assert readings[f"{storm}_good_p99{off}"].median > 0
            assert len(readings[f"{storm}_stall{off}"].values) == TINY.storm_rounds
    assert measure_storm(FLOOR_SERVER, TINY) == {}


def test_a_server_that_cannot_start_is_named_with_its_last_words() -> None:
    def command(_start: Start) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no such thing')"]

    with pytest.raises(BenchError, match="no such thing"):
        measure_flow(replace(FLOOR_SERVER, command=command), TINY)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    command = [sys.executable, "-m", "bench", "--only", "nginx"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)

    assert answer.returncode == 2
    assert "nginx is none of" in answer.stderr


def test_a_burst_of_talk_takes_memory_and_everybody_hears_the_whole_turn() -> None:
    (keepline,) = [candidate for candidate in CANDIDATES if candidate.name == KEEPLINE]
    readings = measure_burst(keepline, TINY)

    assert set(readings) == {"burst_grown", "burst_given_back", "burst_wait"}
    assert readings["burst_wait"].median > 0
    assert readings["burst_wait"].facts["unanswered"] == 0
    facts = readings["burst_grown"].facts
    assert facts["before_kib"] <= facts["peak_kib"]
    assert measure_burst(FLOOR_SERVER, TINY) == {}
