"""Draws how late the dead are found, how often the living are lost: an SVG for light and dark."""

from __future__ import annotations

from html import escape
from math import log10
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.picture import WIDTH, classed, framed

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEFT: Final = 90
_RIGHT: Final = 20
_CURVES: Final = 200
_TITLE: Final = 30
_AXIS: Final = 40
_LINE: Final = 26
_SECONDS: Final = 110
_POINTS: Final = 80
_DECADES: Final = (1, 10, 100, 1_000, 10_000)

# What every viewer knows; a style sheet changes the colours for the dark.
_COLOURS: Final = {
    "talk": ("#bf3989", "#db61a2"),
    "ours": ("#1a7f37", "#3fb950"),
    "seed": ("#0969da", "#4493f8"),
    "listed": ("#59636e", "#9198a1"),
}
_LOOKS: Final = {
    "title": 'fill="#1f2328" font-weight="600"',
    "name": 'fill="#1f2328" text-anchor="end"',
    "middle": 'fill="#59636e" text-anchor="middle"',
    "end": 'fill="#59636e" text-anchor="end"',
    "grid": 'stroke="#d0d7de"',
}
_DARK: Final = ".title, .name { fill: #f0f6fc; } .middle, .end { fill: #9198a1; }"


class Curve(NamedTuple):
    """Detection times in order, and which colour they have."""

    name: str
    times_s: Sequence[float]
    look: str


class Row(NamedTuple):
    """One trace: false verdicts in 1,000 device-days by look; below a `bound` is none seen."""

    name: str
    rates: dict[str, float]
    bounds: dict[str, float]


def drawn(curves: Sequence[Curve], rows: Sequence[Row]) -> str:
    """Return the whole picture."""
    second = _TITLE + _CURVES + _AXIS
    height = second + _TITLE + _LINE * len(rows) + _AXIS
    dark = " ".join(
        f".{look} {{ stroke: {dark}; }} .of-{look} {{ fill: {dark}; }}"
        for look, (_, dark) in _COLOURS.items()
    )
    style = f"@media (prefers-color-scheme: dark) {{ {_DARK} .grid {{ stroke: #3d444d; }} {dark} }}"
    titles = ("Share of the dead that were given up", "False verdicts in 1,000 device-days")
    parts = [
        _text(0, 14, f"{titles[0]}, by seconds since their last sign of life", "title"),
        *_curves(curves),
        _text(0, second + 14, f"{titles[1]}; hollow: the bound of none", "title"),
        *_legend(second + 14),
        *_rows(rows, second + _TITLE),
    ]
    return framed(parts, height=height, title="; ".join(titles), style=style)


def _curves(curves: Sequence[Curve]) -> list[str]:
    bottom = _TITLE + _CURVES
    parts = []
    for second in range(0, _SECONDS, 10):
        left = _seconds(second)
        parts += [
            f"<line {_look('grid')} {_ends(left, left, _TITLE, bottom)}/>",
            _text(left, bottom + 14, f"{second} s", "middle"),
        ]
    for share in (0.0, 0.5, 1.0):
        top = bottom - _CURVES * share
        parts += [
            f"<line {_look('grid')} {_ends(_LEFT, WIDTH - _RIGHT, top, top)}/>",
            _text(_LEFT - 8, top + 4, f"{share:.0%}", "name"),
        ]
    for number, curve in enumerate(curves):
        last = len(curve.times_s) - 1
        shares = [at / _POINTS for at in range(_POINTS + 1)]
        points = [
            f"{_seconds(curve.times_s[round(share * last)]):.1f},{bottom - _CURVES * share:.1f}"
            for share in shares
        ]
        start = f"{_seconds(0):.1f},{bottom} {_seconds(curve.times_s[0]):.1f},{bottom}"
        middle = _seconds(curve.times_s[last // 2])
        # Curves stand one behind the other: each name on a height of its own.
        top = bottom - 14 - number * (_CURVES - 30) / max(1, len(curves) - 1)
        parts += [
            f'<polyline {_line(curve.look)} points="{start} {" ".join(points)}"/>',
            _word(middle, top, curve),
        ]
    return parts


def _word(left: float, top: float, curve: Curve) -> str:
    side = left > WIDTH / 2
    anchor = "end" if side else "start"
    at = left - 6 if side else left + 8
    fill = f'class="of-{curve.look}" fill="{_COLOURS[curve.look][0]}" text-anchor="{anchor}"'
    return f'<text {fill} x="{at:.1f}" y="{top:.1f}">{escape(curve.name)}</text>'


def _legend(top: int) -> list[str]:
    """Return what the colours of the circles mean."""
    told = {"seed": "seed", "ours": "adaptive, idle", "talk": "adaptive, talking"}
    return [
        f'<text class="of-{look}" fill="{_COLOURS[look][0]}" text-anchor="end"'
        f' x="{WIDTH - _RIGHT - number * 110}" y="{top}">{words}</text>'
        for number, (look, words) in enumerate(told.items())
    ]


def _rows(rows: Sequence[Row], top: int) -> list[str]:
    bottom = top + _LINE * len(rows)
    parts = []
    for decade in _DECADES:
        left = _rate(decade)
        parts += [
            f"<line {_look('grid')} {_ends(left, left, top, bottom)}/>",
            _text(left, bottom + 14, f"{decade:,}", "middle"),
        ]
    for number, row in enumerate(rows):
        middle = top + _LINE * number + _LINE / 2
        parts.append(_text(_LEFT - 8, middle + 4, row.name, "name"))
        for place, (look, rate) in enumerate(row.rates.items()):
            height = middle + (place - 1) * 7
            left = _rate(rate or row.bounds[look])
            light = _COLOURS[look][0]
            fill = f'class="{look} of-{look}" fill="{light}"' if rate else f'class="{look}"'
            hollow = "" if rate else ' fill="none"'
            parts.append(
                f'<circle {fill}{hollow} stroke="{light}" stroke-width="1.5"'
                f' cx="{left:.1f}" cy="{height:.1f}" r="3.2"/>'
            )
    return parts


def _seconds(second: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * second / _SECONDS


def _rate(rate: float) -> float:
    share = log10(max(rate, _DECADES[0])) / log10(_DECADES[-1])
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * min(1.0, share)


def _ends(left: float, right: float, top: float, bottom: float) -> str:
    return f'x1="{left:.1f}" x2="{right:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"'


def _line(look: str) -> str:
    return f'class="{look}" fill="none" stroke="{_COLOURS[look][0]}" stroke-width="1.8"'


def _text(left: float, top: float, text: str, klass: str) -> str:
    return f'<text {_look(klass)} x="{left:.1f}" y="{top:.1f}">{escape(text)}</text>'


def _look(klass: str) -> str:
    return classed(klass, _LOOKS)
