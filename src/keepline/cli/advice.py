"""What goes wrong becomes advice: the problem, and what to do next."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from keepline.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def advice() -> Iterator[None]:
    """Turn a StartError into its problem and hint on stderr, exit status 2."""
    try:
        yield
    except StartError as error:
        screen = Console(stderr=True, soft_wrap=True)
        screen.print(Text.assemble(("error: ", "bold red"), error.problem))
        for line in error.hint.splitlines():
            screen.print(Text.assemble(("  → ", "bold"), line))
        raise typer.Exit(2) from error
