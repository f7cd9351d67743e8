"""Draws series and when each rule held in them, as an SVG that can be read in light and in dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.picture import WIDTH, classed, framed

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEFT: Final = 110
_RIGHT: Final = 12
_CURVE: Final = 90
_STRIP: Final = 14
_TITLE: Final = 24
_AXIS: Final = 22
_GAP: Final = 14
_POINTS: Final = 320
_HOUR_S: Final = 3_600

# What every viewer knows; a style sheet changes the colours for the dark.
_LOOKS: Final = {
    "title": 'fill="#1f2328" font-weight="600"',
    "name": 'fill="#1f2328" text-anchor="end"',
    "end": 'fill="#59636e" text-anchor="end"',
    "middle": 'fill="#59636e" text-anchor="middle"',
    "start": 'fill="#59636e"',
    "curve": 'fill="none" stroke="#0969da" stroke-width="1.5"',
    "strip": 'fill="#d0d7de" fill-opacity="0.35"',
    "held": 'fill="#bf3989"',
    "ours": 'fill="#1a7f37"',
    "onset": 'stroke="#59636e" stroke-dasharray="3 3"',
}
_STYLE: Final = """
@media (prefers-color-scheme: dark) {
  .title, .name { fill: #f0f6fc; } .start, .middle, .end { fill: #9198a1; }
  .curve { stroke: #4493f8; } .strip { fill: #656c76; }
  .held { fill: #db61a2; } .ours { fill: #3fb950; } .onset { stroke: #9198a1; }
}
"""


class Strip(NamedTuple):
    """When one rule held: from and to, in seconds."""

    name: str
    ours: bool
    held: Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """One series, evenly sampled over `length_s`; `scale` divides what is written at its ends."""

    title: str
    unit: str
    scale: float
    values: Sequence[float]
    length_s: float
    onset_s: float | None
    strips: Sequence[Strip]


def drawn(panels: Sequence[Panel]) -> str:
    """Return the whole picture."""
    parts, top = [], 0
    for panel in panels:
        part, height = _panel(panel, top)
        parts += part
        top += height + _GAP
    title = " / ".join(panel.title for panel in panels)
    return framed(parts, height=top, title=title, style=_STYLE)


def _panel(panel: Panel, top: int) -> tuple[list[str], int]:
    least, most = min(panel.values), max(panel.values)
    strips_top = top + _TITLE + _CURVE + 8
    bottom = strips_top + len(panel.strips) * (_STRIP + 4)
    parts = [
        _text(0, top + 14, panel.title, "title"),
        _text(_LEFT - 8, top + _TITLE + 10, f"{most / panel.scale:,.0f}", "end"),
        _text(
            _LEFT - 8,
            top + _TITLE + _CURVE,
            f"{least / panel.scale:,.0f} {panel.unit}",
            "end",
        ),
        _curve(panel, top + _TITLE, least, most),
    ]
    if panel.onset_s is not None:
        at = _across(panel.onset_s, panel)
        ends = f'x1="{at:.1f}" x2="{at:.1f}" y1="{top + _TITLE}" y2="{bottom}"'
        parts.append(f"<line {_look('onset')} {ends}/>")
    for number, strip in enumerate(panel.strips):
        parts += _strip(strip, strips_top + number * (_STRIP + 4), panel)
    hours = panel.length_s / _HOUR_S
    parts += [
        _text(_across(panel.length_s * share, panel), bottom + 14, f"{hours * share:g} h", klass)
        for share, klass in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    ]
    return parts, bottom + _AXIS - top


def _across(second: float, panel: Panel) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * second / panel.length_s


def _curve(panel: Panel, top: int, least: float, most: float) -> str:
    every = max(1, len(panel.values) // _POINTS)
    step_s = panel.length_s / len(panel.values)
    points = [
        f"{_across(at * step_s, panel):.1f},"
        f"{top + _CURVE * (1 - (panel.values[at] - least) / ((most - least) or 1)):.1f}"
        for at in range(0, len(panel.values), every)
    ]
    return f'<polyline {_look("curve")} points="{" ".join(points)}"/>'


def _strip(strip: Strip, top: int, panel: Panel) -> list[str]:
    def bar(start_s: float, end_s: float, klass: str) -> str:
        left, right = _across(start_s, panel), _across(end_s, panel)
        return (
            f'<rect {_look(klass)} x="{left:.1f}" y="{top}" width="{max(1.0, right - left):.1f}"'
            f' height="{_STRIP}"/>'
        )

    return [
        _text(_LEFT - 8, top + 11, strip.name, "name"),
        bar(0.0, panel.length_s, "strip"),
        *(bar(start, end, "ours" if strip.ours else "held") for start, end in strip.held),
    ]


def _text(left: float, top: float, text: str, klass: str) -> str:
    return f'<text {_look(klass)} x="{left:.1f}" y="{top}">{escape(text)}</text>'


def _look(klass: str) -> str:
    return classed(klass, _LOOKS)
