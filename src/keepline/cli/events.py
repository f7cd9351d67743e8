"""`keepline events`: what happened to devices, up to now or as it happens."""

from __future__ import annotations

import json
import sys
from threading import Event
from typing import Annotated, Any

import typer

from keepline.cli.advice import advice
from keepline.cli.client import connect
from keepline.cli.options import (  # noqa: TC001 - typer reads them
    AdminUrl,
    Assignments,
    Config,
    LinesAsJson,
)
from keepline.log import clean

EACH_S = 1.0  # how often is asked for news
_TOLD = ("outcome", "cause", "initiator", "code", "claim")

Device = Annotated[str | None, typer.Option(metavar="DEVICE", help="Only those of one device.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many of the last ones.")]
Follow = Annotated[bool, typer.Option("--follow", help="Go on as they happen, until Ctrl-C.")]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(events)


def events(
    *,
    device: Device = None,
    limit: Limit = 20,
    follow: Follow = False,
    as_json: LinesAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell when devices came and went, and why; the oldest first."""
    with advice():
        client = connect(admin_url, config, assignments)
        page = client.get("/api/events", device=device, limit=limit)
        _print(page["events"], as_json=as_json)
        pause = Event()
        while follow:
            pause.wait(EACH_S)
            page = client.get("/api/events", device=device, after=page["next"])
            _print(page["events"], as_json=as_json)


def _print(found: list[dict[str, Any]], *, as_json: bool) -> None:
    for each in found:
        typer.echo(json.dumps(each) if as_json else line_of(each))
    sys.stdout.flush()


def line_of(event: dict[str, Any]) -> str:
    """Return an event in a line: when, what, who, and what became of it."""
    data = event["data"]
    told = {name: data[name] for name in _TOLD if name in data}
    words = " ".join(f"{name}={value}" for name, value in told.items())
    at = event["at"][:19].replace("T", " ")
    return clean(f"{at}  {event['kind']:<7}  {event['device_id']}  {words}")
