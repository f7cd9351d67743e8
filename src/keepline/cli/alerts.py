"""`keepline alerts`: what a gateway warns of, and what operators say about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from keepline.cli.advice import advice
from keepline.cli.client import NotFoundError, connect
from keepline.cli.options import (  # noqa: TC001 - typer reads them
    AdminUrl,
    Assignments,
    Config,
    TableAsJson,
)
from keepline.cli.screen import wide_screen
from keepline.cli.sentences import lasted
from keepline.cli.typed import me, seconds
from keepline.errors import StartError
from keepline.log import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.cli.client import AdminClient

EACH_S = 2.0
SHOWN = 10  # of those that are over
LEAST_WIDTH = 110  # of the tables: a terminal breaks their lines, nothing is left out

Watch = Annotated[bool, typer.Option("--watch", help="Show them anew every 2 s, to Ctrl-C.")]
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As in the list.")]
Note = Annotated[str, typer.Option(help="For others to read.")]
About = Annotated[
    str, typer.Argument(metavar="ABOUT", help="A gauge or an incident, as in the list.")
]
Kind = Annotated[str, typer.Option(help="Of this kind: threshold, trend, anomaly, incident.")]
For = Annotated[
    str, typer.Option("--for", metavar="TIME", help="How long: 90s, 30m, 2h, 1d; 30d at most.")
]

alerts = typer.Typer(help="See what the gateway warns of; acknowledge it, or have it silent.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(alerts, name="alerts")


@alerts.callback(invoke_without_command=True)
def listed(
    context: typer.Context,
    *,
    watch: Watch = False,
    as_json: TableAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell what is open, what was, and what is silenced."""
    if context.invoked_subcommand is None:
        show_all(
            watch=watch,
            as_json=as_json,
            admin_url=admin_url,
            config=config,
            assignments=assignments,
        )


@alerts.command("list")
def show_all(
    *,
    watch: Watch = False,
    as_json: TableAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell what is open, what was, and what is silenced."""
    with advice():
        client = connect(admin_url, config, assignments)
        found = client.get("/api/alerts")
        if watch:
            _watch(client, found, as_json=as_json)
        elif as_json:
            typer.echo(json.dumps(found, indent=2))
        else:
            wide_screen(LEAST_WIDTH).print(_view(found))


@alerts.command()
def show(
    number: Number,
    *,
    as_json: TableAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell all of one alert: what it is, what was done, what to do."""
    with advice():
        found = connect(admin_url, config, assignments).get("/api/alerts")
        alert = next(
            (each for each in (*found["open"], *found["recent"]) if each["number"] == number), None
        )
        if alert is None:
            raise StartError(f"there is no alert {number}", "see: keepline alerts")
    if as_json:
        typer.echo(json.dumps(alert, indent=2))
    else:
        for line in sentences_about(alert):
            typer.echo(clean(line))


@alerts.command()
def ack(
    number: Number,
    *,
    note: Note = "",
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Say that you look after an alert: it is not told again, unless it grows worse."""
    with advice():
        client = connect(admin_url, config, assignments)
        try:
            body = {"number": number, "by": me(), "note": note}
            found = client.post("/api/alerts/acknowledge", body)
        except NotFoundError as error:
            raise StartError(f"no alert {number} is open", "see: keepline alerts") from error
    typer.echo(f"{clean(found['detail'])}: it is yours")


@alerts.command()
def silence(
    about: About = "",
    *,
    kind: Kind = "",
    for_: For = "1h",
    note: Note = "",
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Have nobody told of something for a while; it is listed all the same."""
    with advice():
        body = {"about": about, "kind": kind, "for_s": seconds(for_), "by": me(), "note": note}
        made = connect(admin_url, config, assignments).post("/api/alerts/silence", body)
    typer.echo(f"silence {made['number']} is until {_when(made['until'])}")


@alerts.command()
def unsilence(
    number: Number,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """End a silence before its time; what still holds is told."""
    with advice():
        client = connect(admin_url, config, assignments)
        try:
            client.post("/api/alerts/unsilence", {"number": number})
        except NotFoundError as error:
            raise StartError(f"there is no silence {number}", "see: keepline alerts") from error
    typer.echo(f"silence {number} is over")


def sentences_about(alert: dict[str, Any]) -> list[str]:
    """Return what there is to say of an alert, a line each."""
    scope = f" of {alert['scope']}" if alert["scope"] else ""
    head = f"{alert['number']} · {alert['about']} ({alert['kind']}){scope} · {_state(alert)}"
    told = [head, alert["detail"], f"since {_when(alert['since'])}"]
    if alert["resolved_at"] is not None:
        told.append(f"over since {_when(alert['resolved_at'])}: {alert['resolution']}")
    if alert["acknowledged"] is not None:
        known = alert["acknowledged"]
        note = f": {known['note']}" if known["note"] else ""
        told.append(f"acknowledged by {known['by'] or 'somebody'}, {_when(known['at'])}{note}")
    told += [f"done: {each}" for each in _done(alert)]
    return [*told, f"to do: {alert['advice']}"] if alert["advice"] else told


def _done(alert: dict[str, Any]) -> list[str]:
    """Return what was done and what came of it, or why nothing was."""
    if not alert["actions"]:
        return [f"nothing, {alert['undone']}" if alert["undone"] else "nothing"]
    done = []
    for each in alert["actions"]:
        over = f"over since {_when(each['ended_at'])}" if each["ended_at"] else ""
        told = ", ".join(filter(None, (each["effect"], over)))
        done.append(f"{each['action']} ({told})" if told else each["action"])
    return done


def _watch(client: AdminClient, found: dict[str, Any], *, as_json: bool) -> None:
    pause = Event()
    if as_json:
        while True:
            typer.echo(json.dumps(found))
            pause.wait(EACH_S)
            found = client.get("/api/alerts")
    with Live(_view(found), console=wide_screen(LEAST_WIDTH), auto_refresh=False) as live:
        while True:
            pause.wait(EACH_S)
            live.update(_view(client.get("/api/alerts")), refresh=True)


def _view(found: dict[str, Any]) -> Group:
    parts: list[Any] = []
    if found["open"]:
        parts.append(_table_of(found["open"], "for", lambda each: _since(each["since"])))
    else:
        parts.append(Text("nothing is open"))
    if found["recent"]:
        lately = found["recent"][:SHOWN]
        over = _table_of(lately, "over for", lambda each: _since(each["resolved_at"]))
        parts += [Text(), over]
    for each in found["silences"]:
        what = " ".join(filter(None, (each["about"], each["kind"])))
        by = f", by {each['by']}" if each["by"] else ""
        until = _when(each["until"])
        parts.append(Text(clean(f"silence {each['number']}: {what} until {until}{by}")))
    return Group(*parts)


def _table_of(
    found: list[dict[str, Any]], when: str, since: Callable[[dict[str, Any]], str]
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "about", "kind", "state", when):
        table.add_column(column, no_wrap=True, justify="left" if column else "right")
    table.add_column("what, and what was done")
    for each in found:
        row = (each["number"], each["about"], each["kind"], _state(each), since(each))
        scope = f" ({each['scope']})" if each["scope"] else ""
        told = f"{each['detail']}{scope} · done: {_done(each)[-1]}"
        table.add_row(*(clean(str(cell)) for cell in row), clean(told))
    return table


def _state(alert: dict[str, Any]) -> str:
    words = [alert["severity"]]
    if alert["status"] != "open":
        words.append(alert["status"])
    if alert["openings"] > 1:
        words.append(f"{alert['openings']} times")
    if alert["acknowledged"] is not None and alert["status"] != "resolved":
        words.append("acknowledged")
    if alert["silenced"]:
        words.append("silenced")
    return ", ".join(words)


def _since(at: str) -> str:
    return lasted(max(0.0, (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()))


def _when(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M:%S UTC")
