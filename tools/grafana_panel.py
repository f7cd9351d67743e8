"""One picture of the dashboard, and expressions as its pictures need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture: `lines` are expressions with their legends, `steps` colours from a value on."""

    title: str
    description: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    steps: tuple[tuple[float | None, str], ...] = ()
    most: float | None = None
    is_stacked: bool = False
    is_long: bool = False  # many lines: a table beside the picture


def number(title: str, description: str, unit: str, expression: str, **more: Any) -> Panel:
    """Return one number, with its curve behind it."""
    shape: dict[str, Any] = {"kind": "stat", "width": 4, "height": 4} | more
    return Panel(
        title=title, description=description, unit=unit, lines=((expression, ""),), **shape
    )


def per_s(name: str, *by: str) -> str:
    """Return how fast a counter grows, summed over all labels but those."""
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouped} (rate({name}{{@}}[$__rate_interval]))"


def quantile(share: float, name: str) -> str:
    """Return below what so large a share of a histogram's observations was."""
    rates = f"rate({name}_bucket{{@}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (le) ({rates}))"


def quantiles(name: str) -> tuple[tuple[str, str], ...]:
    """Return the lines of a picture that shows a histogram over time."""
    return tuple((quantile(share, name), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99))


def good_below(orange: float, red: float) -> tuple[tuple[float | None, str], ...]:
    """Return the colours of a number that should be small."""
    return ((None, "green"), (orange, "orange"), (red, "red"))
