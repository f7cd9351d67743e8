"""Trials of the failure detector beside the simulation of a whole gateway: one network for both."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from keepline.lifecycle.heartbeat import Heartbeat, HeartbeatPolicy, Judge, Look, Verdict
from keepline.simulation import world as worlds
from keepline.simulation.faults import Fault, Mixture
from keepline.simulation.path import FIRST_RETRY_S, Conditions
from keepline.simulation.person import Kind
from keepline.simulation.world import Mix, World
from tools.detector_traces import HOUR_S, Trace
from tools.detector_trial import Trial

DEVICES = 50
LOSSY = Trace(
    name="both",
    told="",
    delay_s=(0.02, 0.04),
    loss=0.2,
    retry_s=(FIRST_RETRY_S, FIRST_RETRY_S),
)

CALM = replace(LOSSY, loss=0.0)
NEVER_S = 1e9


class Noted(NamedTuple):
    suspicions: int
    pings: int
    silences_s: list[float]  # of those who were given up


class Listener(Judge):
    """The judge, and what it has said."""

    def __init__(self) -> None:
        super().__init__(HeartbeatPolicy())
        self.suspicions = self.pings = 0
        self.silences_s: dict[Heartbeat, float] = {}

    def ask_again(self, hb: Heartbeat, now: float, u: float) -> float | None:
        due = super().ask_again(hb, now, u)
        self.pings += due is not None
        return due

    def look(self, hb: Heartbeat, now: float, u: float) -> Look:
        look = super().look(hb, now, u)
        self.suspicions += look.became_suspicious
        self.pings += look.ping
        if look.verdict is Verdict.ZOMBIE:
            self.silences_s.setdefault(hb, now - hb.last_rx)
        return look

    def noted(self) -> Noted:
        return Noted(self.suspicions, self.pings, sorted(self.silences_s.values()))


def simulated(
    monkeypatch: pytest.MonkeyPatch, conditions: Conditions, mix: Mix, *, deaths_per_h: float
) -> Noted:
    """The whole gateway: sockets, handshakes, frames and sessions."""
    monkeypatch.setattr(worlds, "drawn_conditions", lambda random, mix: conditions)
    monkeypatch.setattr(worlds, "drawn_kind", lambda chance: Kind(pongs=True, mcp=False))
    mixture = Mixture({Fault.DIE: 1.0} if deaths_per_h else {}, deaths_per_h)
    world = World(1, mix, mixture=mixture, settings={})
    world.host.start()
    assert world.host.life is not None
    listener = world.host.life.node.judge = Listener()
    for plug in world.plugs.values():
        plug.arm()
    world.mischief.begin()
    world.timeline.run(world.timeline.now + mix.hours * HOUR_S, 1 << 62)
    world.host.life.loop.kill()
    world.disk.close()
    return listener.noted()


def tried(trace: Trace, hours: float) -> Noted:
    trial = Trial(trace, HeartbeatPolicy(), DEVICES, "both", talk=0.0)
    listener = trial._judge = Listener()
    trial.run(hours * HOUR_S)
    return listener.noted()


def tried_deaths(trace: Trace, *, talking: bool) -> Noted:
    trial = Trial(trace, HeartbeatPolicy(), 400, "both deaths", talk=0.0)
    listener = trial._judge = Listener()
    for number, device in enumerate(trial.devices):
        if talking:
            trial.talk(device, 590.0 + number, HOUR_S)
        trial.die(device, 600.0 + number)
    trial.run(1_200.0)
    return listener.noted()


def at(silences_s: list[float], share: float) -> float:
    return silences_s[round(share * (len(silences_s) - 1))]


def test_both_ping_and_suspect_as_often_where_segments_are_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours = 2.0
    mix = Mix(devices=DEVICES, hours=hours, talk=0.0, ask_every_s=NEVER_S)
    whole = simulated(monkeypatch, Conditions(0.02, 0.02, LOSSY.loss), mix, deaths_per_h=0.0)
    trial = tried(LOSSY, hours)
    assert whole.pings == pytest.approx(trial.pings, rel=0.02)
    assert whole.suspicions > 300
    assert whole.suspicions == pytest.approx(trial.suspicions, rel=0.2)


def test_both_keep_the_dead_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    mix = Mix(devices=DEVICES, hours=1.0, talk=0.0, ask_every_s=NEVER_S)
    whole = simulated(monkeypatch, Conditions(0.02, 0.02), mix, deaths_per_h=4.0).silences_s
    trial = tried_deaths(CALM, talking=False).silences_s
    assert len(whole) > 100
    for share in (0.0, 0.5, 0.95, 1.0):
        assert at(whole, share) == pytest.approx(at(trial, share), abs=0.35), share


def test_both_keep_who_dies_talking_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    mix = Mix(devices=20, hours=0.3, talk=0.4, ask_every_s=NEVER_S)
    whole = simulated(monkeypatch, Conditions(0.02, 0.02), mix, deaths_per_h=12.0).silences_s
    talking = [silence_s for silence_s in whole if silence_s < 10.0]
    trial = tried_deaths(CALM, talking=True).silences_s
    assert len(talking) > 10
    for share in (0.0, 0.5, 1.0):
        assert at(talking, share) == pytest.approx(at(trial, share), abs=0.25), share
