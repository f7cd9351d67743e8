"""`keepline upstreams`: how the voice servers behind a gateway are, and emptying one."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from keepline.cli.advice import advice
from keepline.cli.client import NotFoundError, UnknownError, connect
from keepline.cli.columns import in_columns
from keepline.cli.options import (  # noqa: TC001 - typer reads them
    AdminUrl,
    Assignments,
    Config,
    TableAsJson,
)
from keepline.errors import StartError
from keepline.log import clean

Url = Annotated[str, typer.Argument(metavar="URL", help="An upstream, as it is listed.")]

HEAD = ("upstream", "health", "connections", "connecting", "failures", "latency", "last failure")

NONE_HERE = "this gateway has no upstreams", "start one with: keepline serve --upstream URL"

upstreams = typer.Typer(no_args_is_help=True, help="Look after the voice servers behind it.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(upstreams, name="upstreams")


@upstreams.command("list")
def show(
    *,
    as_json: TableAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell how each upstream is doing."""
    with advice():
        try:
            found = connect(admin_url, config, assignments).get("/api/upstreams")
        except UnknownError as error:
            raise StartError(*NONE_HERE) from error
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo("\n".join(in_columns(HEAD, map(_row, found["upstreams"]))))
    if found["panic"]:
        typer.echo("\nso many are ejected that all serve")


@upstreams.command()
def drain(
    url: Url,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Give an upstream nothing new; what it has moves away as conversations end."""
    with advice():
        told = _change("drain", url, admin_url, config, assignments)
    typer.echo(f"{clean(told['upstream'])} is draining, with {told['connections']} connections")


@upstreams.command()
def undrain(
    url: Url,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Give an upstream new connections again, slowly."""
    with advice():
        told = _change("undrain", url, admin_url, config, assignments)
    typer.echo(f"{clean(told['upstream'])} takes new connections again")


def _change(what: str, url: str, admin_url: AdminUrl, config: Config, given: Assignments) -> Any:
    try:
        client = connect(admin_url, config, given)
        return client.post(f"/api/upstreams/{what}", {"upstream": url})
    except UnknownError as error:
        raise StartError(*NONE_HERE) from error
    except NotFoundError as error:
        raise StartError(
            f"{clean(url)} is no upstream of this gateway", "see: keepline upstreams list"
        ) from error


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    health = each["health"]
    if each["ejected_for_s"]:
        health = f"{health}, {each['ejected_for_s']:.0f} s"
    elif health == "slow_start":
        health = f"slow start, {each['share']:.0%}"
    latency = "" if each["latency_s"] is None else f"{each['latency_s'] * 1_000:.0f} ms"
    numbers = (str(each[name]) for name in ("connections", "connecting", "failures"))
    return each["upstream"], health, *numbers, latency, each["last_failure"]
