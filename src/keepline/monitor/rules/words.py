"""How a finding names gauges, amounts and times to people. Pure."""

from __future__ import annotations

from typing import Final

from keepline.monitor.gauges import Gauge

_CALLED: Final = {
    Gauge.MEMORY_BYTES: "memory",
    Gauge.CPU_PERCENT: "CPU",
    Gauge.CONNECTIONS: "connections",
    Gauge.QUEUE_DEPTH: "queued messages",
    Gauge.DESCRIPTORS: "open files",
    Gauge.DISCONNECTS_PER_S: "disconnects",
    Gauge.HANDSHAKE_FAILURES_PER_S: "failed handshakes",
    Gauge.RTT_P50_S: "round trips",
}
_MB: Final = 1_048_576
_STEPS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_MS: Final = 1_000
_WHOLE: Final = 100  # from here on a number is told without decimals


def called(gauge: Gauge) -> str:
    """Return what a gauge is called in a sentence."""
    return _CALLED[gauge]


def amount(gauge: Gauge, value: float) -> str:
    """Return a number of a gauge with its unit."""
    if gauge.endswith("_bytes"):
        return f"{number(value / _MB)} MB"
    if gauge.endswith("_percent"):
        return f"{number(value)} %"
    if gauge.endswith("_per_s"):
        return f"{number(value)} a second"
    if gauge.endswith("_s"):
        return f"{number(value * _MS)} ms"
    return number(value)


def number(value: float) -> str:
    """Return three digits of a number, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.3g}"


def duration(value_s: float) -> str:
    """Return a time in the largest unit of which it has one."""
    for unit_s, name in _STEPS:
        if value_s >= unit_s:
            return f"{number(value_s / unit_s)} {name}"
    return f"{value_s:.0f} s"
