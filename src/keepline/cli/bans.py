"""`keepline bans`: who comes and goes so often that it is held up, and letting somebody go."""

from __future__ import annotations

import json
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

Whom = Annotated[str, typer.Argument(metavar="WHO", help="A device or an address, as listed.")]

HEAD = ("who", "from", "step", "why", "held", "until")

bans = typer.Typer(no_args_is_help=True, help="See who is held up for coming too often; lift it.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(bans, name="bans")


@bans.command("list")
def show(
    *,
    as_json: TableAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell who is delayed, denied or banned, why, and until when."""
    with advice():
        found = connect(admin_url, config, assignments).get("/api/bans")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif not found["bans"]:
        typer.echo("nobody is held up")
    else:
        typer.echo("\n".join(in_columns(HEAD, map(_row, found["bans"]))))


@bans.command()
def lift(
    who: Whom,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Let a device or an address in again at once."""
    with advice():
        try:
            client = connect(admin_url, config, assignments)
            found = client.post("/api/bans/lift", {"who": who})
        except NotFoundError as error:
            raise StartError(f"{clean(who)} is not held up", "see: keepline bans list") from error
    for each in found["bans"]:
        typer.echo(f"{_who(each)} may come again")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    kicks = each["kind"] == "kick_war"
    why = f"{each['times']} {'kicks' if kicks else 'short lives'}"
    until = "it is calm" if each["for_s"] is None else f"in {each['for_s']:.0f} s"
    address = each["address"] if each["device_id"] else ""
    return _who(each), address, each["step"], why, f"{each['held_s']:.0f} s", until


def _who(each: dict[str, Any]) -> str:
    return clean(each["device_id"] or each["address"])
