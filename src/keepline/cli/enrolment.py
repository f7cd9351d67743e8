"""`keepline enrol`: who waits to be approved, who is enrolled, and what is done about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from keepline.cli.advice import advice
from keepline.cli.client import AdminClient, NotFoundError, connect
from keepline.cli.columns import in_columns
from keepline.cli.options import (  # noqa: TC001 - typer reads them
    AdminUrl,
    Assignments,
    Config,
    TablesAsJson,
)
from keepline.errors import StartError
from keepline.log import clean

DeviceId = Annotated[str, typer.Argument(metavar="DEVICE", help="A Device-Id, mostly a MAC.")]

WAITING = ("code", "device", "time left", "address", "board")
ENROLLED = ("device", "state", "since", "vouched by", "address", "board")

enrol = typer.Typer(no_args_is_help=True, help="Approve devices, and withdraw that.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(enrol, name="enrol")


@enrol.command("list")
def show(
    *,
    as_json: TablesAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """List who waits, and who is enrolled or revoked."""
    with advice():
        everybody = connect(admin_url, config, assignments).get("/api/enrolment")
    if as_json:
        typer.echo(json.dumps(everybody, indent=2))
        return
    if everybody["waiting"]:
        typer.echo("\n".join(in_columns(WAITING, map(_waiting, everybody["waiting"]))))
    if everybody["waiting"] and everybody["devices"]:
        typer.echo()
    if everybody["devices"]:
        typer.echo("\n".join(in_columns(ENROLLED, map(_enrolled, everybody["devices"]))))
    if not everybody["waiting"] and not everybody["devices"]:
        typer.echo("nobody waits, and nobody is enrolled")


@enrol.command()
def approve(
    code: Annotated[str, typer.Argument(metavar="CODE", help="What the device reads out.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is this one.")] = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Show the device that has this code, and after a yes let it have a token."""
    with advice():
        client = connect(admin_url, config, assignments)
        code = code.replace(" ", "").replace("-", "")
        try:
            waiter = client.post("/api/enrolment/look", {"code": code})
        except NotFoundError as error:
            raise StartError(error.problem, "see who waits: keepline enrol list") from error
        _describe(waiter)
        if not yes and not typer.confirm("Is it this one?"):
            typer.echo("not approved; it goes on waiting")
            raise typer.Exit(1)
        _approve(client, code, waiter["device_id"])
    typer.echo(f"{clean(waiter['device_id'])} is enrolled; it has its token within seconds")


@enrol.command()
def revoke(
    device: DeviceId,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Void a device's tokens, end its session, and refuse it from now on."""
    with advice():
        connect(admin_url, config, assignments).post("/api/enrolment/revoke", {"device_id": device})
    typer.echo(f"{clean(device)} is revoked; `keepline enrol forget` would make it a stranger")


@enrol.command()
def forget(
    device: DeviceId,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Make a device a stranger again, whose tokens are void."""
    with advice():
        answer = connect(admin_url, config, assignments).post(
            "/api/enrolment/forget", {"device_id": device}
        )
        if not answer["done"]:
            raise StartError(
                f"{clean(device)} is neither enrolled nor revoked", "see: keepline enrol list"
            )
    typer.echo(f"{clean(device)} is a stranger")


def _approve(client: AdminClient, code: str, device_id: str) -> None:
    # With its id: should the code be another device's by now, nobody is approved.
    client.post("/api/enrolment/approve", {"code": code, "device_id": device_id})


def _describe(waiter: dict[str, Any]) -> None:
    screen = Console(soft_wrap=True, highlight=False)
    for name, value in (
        ("device", waiter["device_id"]),
        ("board", waiter["board"]),
        ("serial", waiter["serial"]),
        ("address", waiter["address"]),
    ):
        if value:
            screen.print(Text(f"  {name:8} {clean(value)}"))
    for warning in _warnings(waiter):
        screen.print(Text(f"  ! {warning}", style="yellow"))


def _warnings(waiter: dict[str, Any]) -> list[str]:
    warnings = []
    former = waiter["former"]
    if former is not None and former["revoked"]:
        warnings.append("it was revoked, and would no longer be")
    elif former is not None:
        warnings.append("it is enrolled as another client, which would no longer be let in")
    if waiter["client_guessable"]:
        warnings.append("its client id is not random: whoever guesses it is this device")
    return warnings


def _waiting(each: dict[str, Any]) -> tuple[str, ...]:
    left = f"{each['expires_in_s']:.0f} s"
    return each["code"], each["device_id"], left, each["address"], each["board"]


def _enrolled(each: dict[str, Any]) -> tuple[str, ...]:
    state = "revoked" if each["revoked"] else "enrolled"
    since = _day(each["enrolled_at"])
    words = (each["device_id"], state, since, each["vouched_by"], each["address"])
    return *words, each["board"]


def _day(wall: float | None) -> str:
    return "" if wall is None else datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M")
