"""What can be typed: the commands, each from a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

import keepline
from keepline.cli import (
    alerts,
    backup,
    bans,
    capacity,
    devices,
    doctor,
    drain,
    enrolment,
    events,
    fleet,
    governor,
    grace,
    handlers,
    monitor,
    serving,
    simulate,
    token,
    tuning,
    upgrade,
    upstreams,
)

app = typer.Typer(
    name="keepline",
    help="Keeps fleets of ESP32 voice devices connected.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # would show local variables, tokens among them
)

for commands in (
    serving,
    drain,
    devices,
    events,
    monitor,
    alerts,
    capacity,
    handlers,
    bans,
    governor,
    tuning,
    enrolment,
    upstreams,
    token,
    fleet,
    simulate,
    backup,
    upgrade,
    grace,
    doctor,
):
    commands.register(app)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(keepline.__version__)


def _print_version(asked: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if asked:
        version()
        raise typer.Exit


@app.callback()
def options(
    *,
    asked_for_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Keeps fleets of ESP32 voice devices connected."""
