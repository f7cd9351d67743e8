"""The terminal for tables of what devices and others say of themselves."""

from __future__ import annotations

from rich.console import Console


def wide_screen(least_width: int) -> Console:
    """Return one for which nothing is markup, and on which no table that wide is cut.

    A narrower terminal breaks its lines.
    """
    screen = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    screen.width = max(screen.width, least_width)
    return screen


def say(screen: Console, sentence: str) -> None:
    """Print a sentence: on a terminal it breaks between words, elsewhere it stays one line."""
    if screen.is_terminal:
        screen.print(sentence, soft_wrap=False, width=Console().width)
    else:
        screen.print(sentence)
