"""Numbers of gauges for people: with their unit, and as a line of small bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BARS: Final = "▁▂▃▄▅▆▇█"
GAP: Final = " "
_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP: Final = 1_024
_MS_PER_S: Final = 1_000


def amount(gauge: str, value: float | None) -> str:
    """Return a number in the unit that the gauge's name ends in; `-` for none."""
    if value is None:
        return "-"
    if gauge.endswith("bytes_per_s"):
        return f"{_size(value)}/s"
    if gauge.endswith("_bytes"):
        return _size(value)
    if gauge.endswith("_percent"):
        return f"{value:.1f} %"
    if gauge.endswith("_per_s"):
        return _short(value)
    if gauge.endswith("_s"):
        return f"{_short(value * _MS_PER_S)} ms" if value < 1 else f"{_short(value)} s"
    return _short(value)


def sparkline(values: Sequence[float | None]) -> str:
    """Return a bar for each value, from the least to the most of them; a gap for None."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    least, most = min(known), max(known)
    span = most - least or 1.0
    top = len(BARS) - 1
    return "".join(
        GAP if value is None else BARS[round(top * (value - least) / span)] for value in values
    )


def _size(value: float) -> str:
    for unit in _SIZES:
        if value < _STEP or unit == _SIZES[-1]:
            break
        value /= _STEP
    return f"{_short(value)} {unit}"


def _short(value: float) -> str:
    """Return a number with three digits that count, whole ones with all."""
    if value == int(value) or abs(value) >= 100:  # noqa: PLR2004 (three digits)
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004 (three digits)
