"""Draws arrivals over time as an SVG that can be read in light and in dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.picture import WIDTH, classed, framed

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEFT: Final = 70
_RIGHT: Final = 12
_BARS: Final = 110
_TITLE: Final = 24
_AXIS: Final = 24
_GAP: Final = 14
_MARKS: Final = 6

# What every viewer knows; a style sheet changes the colours for the dark.
_LOOKS: Final = {
    "title": 'fill="#1f2328" font-weight="600"',
    "end": 'fill="#59636e" text-anchor="end"',
    "middle": 'fill="#59636e" text-anchor="middle"',
    "crowd": 'fill="#bf3989"',
    "ours": 'fill="#1a7f37"',
    "rate": 'stroke="#59636e" stroke-dasharray="4 3"',
    "ground": 'stroke="#d0d7de"',
}
_STYLE: Final = """
@media (prefers-color-scheme: dark) {
  .title { fill: #f0f6fc; } .middle, .end { fill: #9198a1; }
  .crowd { fill: #db61a2; } .ours { fill: #3fb950; }
  .rate { stroke: #9198a1; } .ground { stroke: #3d444d; }
}
"""


class Panel(NamedTuple):
    """How many arrived in each second; `rate_per_s` is how many were to arrive at most."""

    title: str
    ours: bool
    counts: Sequence[int]
    rate_per_s: float


def drawn(panels: Sequence[Panel]) -> str:
    """Return the whole picture, each panel on a scale of its own."""
    height = _TITLE + _BARS + _AXIS + _GAP
    parts = [part for number, panel in enumerate(panels) for part in _panel(panel, number * height)]
    title = " / ".join(panel.title for panel in panels)
    return framed(parts, height=len(panels) * height, title=title, style=_STYLE)


def _panel(panel: Panel, top: int) -> list[str]:
    ground = top + _TITLE + _BARS
    most = max(*panel.counts, panel.rate_per_s)
    step = (WIDTH - _LEFT - _RIGHT) / len(panel.counts)
    parts = [_text(0, top + 14, panel.title, "title")]
    bar = _look("ours" if panel.ours else "crowd")
    for second, count in enumerate(panel.counts):
        left, tall = _LEFT + second * step, _BARS * count / most
        size = f'width="{step - 1:.1f}" height="{tall:.1f}"'
        if count:
            parts.append(f'<rect {bar} x="{left:.1f}" y="{ground - tall:.1f}" {size}/>')
    planned = ground - _BARS * panel.rate_per_s / most
    parts += [_line(ground, "ground"), _line(planned, "rate")]
    parts.append(_text(_LEFT - 8, planned + 4, f"{panel.rate_per_s:,.0f}/s", "end"))
    if most > 2 * panel.rate_per_s:
        parts.append(_text(_LEFT - 8, top + _TITLE + 10, f"{most:,.0f}/s", "end"))
    every = len(panel.counts) // _MARKS
    parts += [
        _text(_LEFT + second * step, ground + 16, f"{second} s", "middle")
        for second in range(0, len(panel.counts), every)
    ]
    return parts


def _line(height: float, klass: str) -> str:
    return (
        f'<line {_look(klass)} x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{height:.1f}"'
        f' y2="{height:.1f}"/>'
    )


def _text(left: float, top: float, text: str, klass: str) -> str:
    return f'<text {_look(klass)} x="{left:.1f}" y="{top:.1f}">{escape(text)}</text>'


def _look(klass: str) -> str:
    return classed(klass, _LOOKS)
