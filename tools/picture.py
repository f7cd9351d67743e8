"""The frame of each picture that we draw: an SVG that can be read in light and in dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WIDTH: Final = 760

_OPENING: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
    ' font-family="system-ui, sans-serif" font-size="12">'
)


def framed(parts: Iterable[str], *, height: int, title: str, style: str) -> str:
    """Return the whole picture; `style` is what changes in the dark."""
    return "\n".join(
        [
            _OPENING.format(width=WIDTH, height=height),
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def classed(klass: str, looks: Mapping[str, str]) -> str:
    """Return the attributes of a class: what every viewer knows, and its name for the style."""
    return f'class="{klass}" {looks[klass]}'
