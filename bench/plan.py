"""How much is measured: the sizes of the default run and of the smoke run."""

from __future__ import annotations

from dataclasses import dataclass

PRODUCTION_INTERVAL_S = 15.0  # Keepline's default; given to every peer where pings are to be sparse


@dataclass(frozen=True)
class Plan:
    """Every number of a run. Together they decide its length."""

    fleets: tuple[int, ...] = (1000, 15000)  # sizes at which sessions live and are weighed
    frames_each: int = 3  # what each session says before it goes idle
    ping_interval_s: float = 2.0  # dense, so that a short window holds enough pings
    ping_window_s: float = 5.0
    ping_windows: int = 3
    idle_after_s: float = 2.0  # Keepline's sessions are IDLE when they are weighed
    give_back_within_s: float = 10.0

    accepted: int = 3000
    accept_repeats: int = 3
    echo_devices: int = 100
    echo_s: float = 4.0
    echo_repeats: int = 3

    encrypted: int = 3000  # sessions with TLS, and as many without

    stall_fleet: int = 13_999  # and the probe, and who is woken: 15,000
    idle_window_s: float = PRODUCTION_INTERVAL_S  # everybody is pinged once in it
    probe_every_s: float = 0.005
    probe_s: float = 5.0
    probe_repeats: int = 3
    action_cycles: int = 6
    woken: int = 1000

    good_devices: int = 500
    good_every_s: float = 0.2
    join_every_s: float = 0.05
    quiet_s: float = 5.0
    attack_s: float = 4.0

    storm_devices: int = 10_000
    storm_s: float = 10.0
    rush_s: float = 1.0
    storm_rounds: int = 2  # with the governor on and off by turns

    leaving: int = 15_000

    burst_devices: int = 5_000
    burst_frames: int = 200  # 12 s of speech
    burst_quiet_s: float = 30.0  # they listen for 12 s of it

    @property
    def largest(self) -> int:
        return self.fleets[-1]


FULL = Plan()
QUICK = Plan(
    fleets=(1000,),
    ping_interval_s=1.0,
    ping_window_s=1.0,
    ping_windows=2,
    idle_after_s=0.5,
    give_back_within_s=0.5,
    accepted=300,
    accept_repeats=2,
    echo_s=0.5,
    echo_repeats=2,
    encrypted=300,
    stall_fleet=979,
    idle_window_s=0.5,
    probe_s=0.5,
    probe_repeats=2,
    action_cycles=1,
    woken=20,
    good_devices=100,
    quiet_s=0.5,
    attack_s=0.5,
    storm_devices=300,
    storm_s=1.0,
    rush_s=0.1,
    storm_rounds=1,
    leaving=300,
    burst_devices=300,
    burst_frames=50,
    burst_quiet_s=1.0,
)
