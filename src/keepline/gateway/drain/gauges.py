"""What a scrape tells of a drain."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from keepline.gateway.drain.progress import Phase
from keepline.monitor.exposition import ShownCounter, ShownGauge

if TYPE_CHECKING:
    from keepline.gateway.drain.drain import Drain
    from keepline.monitor.exposition import Shown

OUTCOMES = ("sent", "forced", "cut", "dropped", "told")


def gauges_of(drain: Drain) -> tuple[Shown, ...]:
    """Return what is read at each scrape."""
    return (
        ShownGauge(
            "keepline_drain_phase",
            "1 for what the drain is about, 0 for everything else.",
            lambda: {str(phase): float(phase is drain.phase) for phase in Phase},
            label="phase",
            values=tuple(map(str, Phase)),
        ),
        ShownGauge(
            "keepline_drain_pace_ratio",
            "At which share of the planned pace devices are let go.",
            lambda: drain.progress().rate,
        ),
        ShownGauge(
            "keepline_drain_eta_seconds",
            "How long the drain goes on at most.",
            lambda: drain.progress().eta_s,
        ),
        ShownGauge(
            "keepline_admission_rate_per_second",
            "How many devices may arrive in a second, by what one admission was seen to cost.",
            lambda: drain.admissions.rate_per_s,
        ),
        ShownCounter(
            "keepline_drained_devices",
            "What became of devices that were told to leave.",
            lambda: {name: asdict(drain.totals)[name] for name in OUTCOMES},
            label="outcome",
            values=OUTCOMES,
        ),
    )
