"""`keepline token`: what devices show to be let in."""

from __future__ import annotations

import secrets

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(token)


def token() -> None:
    """Print a new random token, for --token and for the devices."""
    typer.echo(secrets.token_hex(16))
