"""`keepline tuning`: what a gateway has learned: pings by address, and numbers of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from keepline.cli.advice import advice
from keepline.cli.client import NotFoundError, connect
from keepline.cli.columns import in_columns
from keepline.cli.options import (  # noqa: TC001 - typer reads them
    AdminUrl,
    Assignments,
    Config,
    TableAsJson,
)
from keepline.errors import StartError
from keepline.log import clean

Prefix = Annotated[str, typer.Argument(metavar="PREFIX", help="As listed.")]

HEAD = ("from", "pinged after", "tried", "killed", "since (UTC)")
NUMBERS = ("moves by itself", "now", "least", "most")
MOST_SHOWN = 50

tuning = typer.Typer(help="See what the gateway has learned of addresses and of itself.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(tuning, name="tuning")


@tuning.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    *,
    as_json: TableAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell what moves by itself, and how long devices are left in silence, by address."""
    if context.invoked_subcommand is not None:
        return
    with advice():
        found = connect(admin_url, config, assignments).get("/api/tuning")
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines_of(found)))


@tuning.command()
def forget(
    prefix: Prefix,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Have an address begin anew, as if nobody had ever come from there."""
    with advice():
        try:
            client = connect(admin_url, config, assignments)
            client.post("/api/tuning/forget", {"prefix": prefix})
        except NotFoundError as error:
            raise StartError(
                f"nothing is known of {clean(prefix)}", "see: keepline tuning"
            ) from error
    typer.echo(f"{clean(prefix)} begins anew")


def lines_of(found: dict[str, Any]) -> list[str]:
    """Return what was learned, for a person."""
    usual = f"{found['interval_s']:g} s"
    numbers = [*in_columns(NUMBERS, map(_number_row, found["numbers"])), ""]
    if not found["learns"]:
        return [*numbers, f"all are pinged after {usual}: nothing is learned (tuning.verdict_s)"]
    ways = found["ways"]
    lines = [
        *numbers,
        f"{found['prefixes']} addresses; where nothing is learned yet, after {usual}",
        *(_step_line(each) for each in found["steps"]),
    ]
    if ways:
        lines += ["", *in_columns(HEAD, map(_row, ways[:MOST_SHOWN]))]
    if len(ways) > MOST_SHOWN:
        lines.append(f"and {len(ways) - MOST_SHOWN} more: --json shows them")
    return lines


def _step_line(each: dict[str, Any]) -> str:
    return (
        f"{each['interval_s']:g} s: survived at {each['survived']}, killed at {each['killed']},"
        f" tried at {each['trying']}"
    )


def _number_row(each: dict[str, Any]) -> tuple[str, ...]:
    value = "no limit" if each["value"] is None else f"{each['value']:g}"
    return each["what"], value, f"{each['least']:g}", f"{each['most']:g}"


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    return (
        each["prefix"],
        _seconds(each["interval_s"]),
        _seconds(each["tried_s"]),
        _seconds(each["killed_s"]),
        datetime.fromtimestamp(each["since"], UTC).strftime("%Y-%m-%d %H:%M"),
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:g} s"
