"""`keepline grace`: what systemd, Docker or Kubernetes has to allow a stop."""

from __future__ import annotations

from math import ceil

import typer

from keepline.cli.advice import advice
from keepline.cli.options import Assignments, Config, read_settings


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(grace)


def grace(*, config: Config = None, assignments: Assignments = None) -> None:
    """Print how many seconds a stop may take with these settings, before it would be cut off."""
    with advice():
        settings = read_settings(config, assignments)
        from keepline.app.grace import grace_s  # noqa: PLC0415 (other commands need not wait)

        typer.echo(ceil(grace_s(settings)))
