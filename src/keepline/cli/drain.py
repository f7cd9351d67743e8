"""`keepline drain`: have a gateway leave by plan, watch it, hold it, call it off."""

from __future__ import annotations

import json
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from keepline.cli.advice import advice
from keepline.cli.client import connect
from keepline.cli.drain_screen import Bar, Lines, tell_plan
from keepline.cli.options import (  # noqa: TC001 - typer reads them
    AdminUrl,
    Assignments,
    Config,
    LinesAsJson,
)
from keepline.errors import StartError

if TYPE_CHECKING:
    from keepline.cli.client import AdminClient

EACH_S: Final = 0.5
ABORTED: Final = 1
SERVING: Final = frozenset({"none", "aborted"})

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would happen: order, pace, who is cut.")
]
Target = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Where devices that can be told are to go (ws:// or wss://)."),
]

drain = typer.Typer(invoke_without_command=True, help="Have every device leave, then the gateway.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(drain, name="drain")


@drain.callback()
def begin(
    context: typer.Context,
    *,
    dry_run: DryRun = False,
    target: Target = None,
    as_json: LinesAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Drain a gateway and follow it to its end; asked again, it follows the same drain.

    Ctrl-C ends the following, not the drain: that takes `keepline drain abort`.
    """
    if context.invoked_subcommand is not None:
        return
    with advice():
        client = connect(admin_url, config, assignments)
        asked = {"dry_run": True, "target": target}
        planned = client.post("/api/drain", asked)
        if dry_run or (planned["phase"] in SERVING and not as_json):
            _tell(planned, as_json=as_json)
        if dry_run:
            return
        client.post("/api/drain", asked | {"dry_run": False})
        status = _follow(client, as_json=as_json)
    raise typer.Exit(status)


@drain.command()
def pause(
    admin_url: AdminUrl = None, config: Config = None, assignments: Assignments = None
) -> None:
    """Let nobody go for now."""
    _change("pause", admin_url, config, assignments)


@drain.command()
def resume(
    admin_url: AdminUrl = None, config: Config = None, assignments: Assignments = None
) -> None:
    """Go on with a drain that was paused."""
    _change("resume", admin_url, config, assignments)


@drain.command()
def abort(
    admin_url: AdminUrl = None, config: Config = None, assignments: Assignments = None
) -> None:
    """Let devices in again; those that were told to leave have left."""
    _change("abort", admin_url, config, assignments)


def _change(what: str, admin_url: AdminUrl, config: Config, given: Assignments) -> None:
    with advice():
        told = connect(admin_url, config, given).post(f"/api/drain/{what}")
    typer.echo(f"the drain is {told['phase']}, {told['left']} devices are left")


def _tell(planned: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(planned))
    else:
        tell_plan(planned["plan"])


def _follow(client: AdminClient, *, as_json: bool) -> int:
    """Show how far it is until it is over; return the exit status."""
    pause = Event()
    with Lines() if as_json else Bar() as screen:
        while True:
            told = _asked(client)
            screen.show(told)
            if told["phase"] == "ended":
                return 0
            if told["phase"] in SERVING:
                return ABORTED
            pause.wait(EACH_S)


def _asked(client: AdminClient) -> dict[str, Any]:
    try:
        told: dict[str, Any] = client.get("/api/drain")
    except StartError as error:
        raise StartError(
            f"the gateway has gone while it was followed: {error.problem}",
            "its log says how far it came: drain",
        ) from error
    return told
