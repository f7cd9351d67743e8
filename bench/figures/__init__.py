"""The measurements: each module starts its own servers and returns readings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.figures.burst import measure_burst
from bench.figures.drain import measure_drain
from bench.figures.flow import measure_flow
from bench.figures.hostile import measure_hostile
from bench.figures.life import measure_life
from bench.figures.relay import measure_relay
from bench.figures.stall import measure_stall
from bench.figures.storm import measure_storm
from bench.figures.tls import measure_tls

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.candidates import Candidate
    from bench.plan import Plan
    from bench.readings import Readings

FIGURES: dict[str, Callable[[Candidate, Plan], Readings]] = {
    "flow": measure_flow,
    "life": measure_life,
    "stall": measure_stall,
    "tls": measure_tls,
    "relay": measure_relay,
    "hostile": measure_hostile,
    "drain": measure_drain,
    "burst": measure_burst,
    "storm": measure_storm,
}
