"""`keepline sessions`, `device`, `kick`, `send`: who is connected, why one left, telling one."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from keepline.cli.advice import advice
from keepline.cli.client import NotFoundError, connect
from keepline.cli.options import (  # noqa: TC001 - typer reads them
    AdminUrl,
    Assignments,
    Config,
    TableAsJson,
)
from keepline.cli.screen import say, wide_screen
from keepline.cli.sentences import in_ms, lasted, sentences_about
from keepline.errors import StartError
from keepline.log import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.cli.client import AdminClient

PAGE_LIMIT = 1_000
ENDINGS_SHOWN = 8
MESSAGE_HINT = """write it as in: keepline send DEVICE '{"type":"custom","payload":{"a":1}}'"""
SILENT = "the process that leaves has not answered: what it still has is not told here"
LEAST_WIDTH = 160  # of a table: a terminal breaks its lines, nothing is left out

DeviceId = Annotated[str, typer.Argument(metavar="DEVICE", help="Its Device-Id.")]
State = Annotated[
    str | None,
    typer.Option(metavar="STATE", help="Only sessions in this state, as `active` or `idle`."),
]
Prefix = Annotated[
    str, typer.Option(metavar="TEXT", help="Only devices whose id begins like this.")
]
Limit = Annotated[int, typer.Option(min=1, max=100, help="How many endings to tell.")]
After = Annotated[
    int | None, typer.Option(metavar="CURSOR", help="Tell the endings before those of a page.")
]
Message = Annotated[str, typer.Argument(metavar="JSON", help="As the protocol has it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(sessions)
    app.command()(device)
    app.command()(kick)
    app.command()(send)


def sessions(
    *,
    state: State = None,
    prefix: Prefix = "",
    as_json: TableAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """List the devices that are connected."""
    with advice():
        pages = list(_pages(connect(admin_url, config, assignments), state, prefix))
    found = [each for page in pages for each in page["sessions"]]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    screen = wide_screen(LEAST_WIDTH)
    screen.print(_table_of_sessions(found))
    screen.print(f"{len(found)} connected")
    if any(page.get("former") == "silent" for page in pages):
        screen.print(SILENT)


def device(
    device_id: DeviceId,
    *,
    limit: Limit = ENDINGS_SHOWN,
    after: After = None,
    as_json: TableAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell how a device is doing, or why it left, who ended it, and what it should do now."""
    with advice(), _some_device():
        client = connect(admin_url, config, assignments)
        path = f"/api/devices/{quote(device_id, safe='')}"
        view = client.get(path, after=after, limit=limit)
    if as_json:
        typer.echo(json.dumps(view, indent=2))
        return
    screen = wide_screen(LEAST_WIDTH)
    for sentence in sentences_about(view):
        say(screen, clean(sentence))
    if view.get("former") == "silent":
        say(screen, SILENT)
    for connection, steps in _histories(view):
        screen.print(f"\n{connection}:")
        screen.print(_table_of_steps(steps))
    if view["endings"]:
        screen.print()
        screen.print(_table_of_endings(view["endings"]))
    if view["next"] is not None:
        screen.print(f"older ones: keepline device {clean(device_id)} --after {view['next']}")
    if view["refusals"]:
        screen.print()
        screen.print(_table_of_refusals(view["refusals"]))


def kick(
    device_id: DeviceId,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """End a device's session. Nothing keeps it from coming back; a revocation does."""
    with advice(), _some_device():
        client = connect(admin_url, config, assignments)
        kicked = client.post(f"/api/devices/{quote(device_id, safe='')}/kick")
    typer.echo(f"{clean(kicked['device_id'])} is being closed (session {kicked['session_id']})")


def send(
    device_id: DeviceId,
    message: Message,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Send a message of the device protocol to a device that is connected."""
    with advice(), _some_device():
        body = _object_in(message)
        client = connect(admin_url, config, assignments)
        sent = client.post(f"/api/devices/{quote(device_id, safe='')}/send", body)
    typer.echo(f"it is on its way to {clean(sent['device_id'])}")


@contextmanager
def _some_device() -> Iterator[None]:
    """Say where to look when nobody has the id that was given."""
    try:
        yield
    except NotFoundError as error:
        hint = error.hint or "see who is connected: keepline sessions"
        raise StartError(error.problem, hint) from error


def _object_in(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise StartError(f"the message is no JSON: {error}", MESSAGE_HINT) from None
    if not isinstance(found, dict):
        raise StartError("the message is no JSON object", MESSAGE_HINT)
    return found


def _pages(client: AdminClient, state: str | None, prefix: str) -> Iterator[dict[str, Any]]:
    cursor: int | None = 0
    while cursor is not None:
        page = client.get(
            "/api/sessions", state=state, prefix=prefix, cursor=cursor, limit=PAGE_LIMIT
        )
        yield page
        cursor = page["next"]


def _table_of_sessions(found: list[dict[str, Any]]) -> Table:
    table = _table("device", "state", "connected", "last frame", "last byte", "rtt", "address")
    for each in found:
        table.add_row(
            clean(each["device_id"]),
            _state(each),
            lasted(each["age_s"]),
            lasted(each["last_frame_s"]),
            lasted(each["last_byte_s"]),
            _rtt(each["average_rtt_s"]),
            clean(each["address"]),
        )
    return table


def _histories(view: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield what the connection that is there went through, and the last one that ended."""
    if view["session"] is not None and view["session"]["steps"]:
        yield "this connection", view["session"]["steps"]
    if view["endings"] and view["endings"][0]["steps"]:
        latest = view["endings"][0]
        yield f"the one that ended {lasted(latest['ago_s'])} ago", latest["steps"]


def _table_of_steps(steps: list[dict[str, Any]]) -> Table:
    table = _table("was", "for", "became", "by", "because")
    for each in steps:
        table.add_row(
            each.get("previous") or "-",
            _briefly(each["after_s"]),
            each["state"],
            each.get("initiator") or "-",
            each.get("cause") or each["event"],
        )
    return table


def _table_of_endings(endings: list[dict[str, Any]]) -> Table:
    table = _table(
        "ended", "by", "cause", "code", "in state", "age", "last frame", "rtt", "address"
    )
    for each in endings:
        table.add_row(
            f"{lasted(each['ago_s'])} ago",
            each["initiator"],
            each["cause"],
            str(each["code"] or "-"),
            each["state"],
            lasted(each["age_s"]),
            lasted(each["last_frame_s"]),
            _rtt(each["average_rtt_s"]),
            clean(each["address"]),
        )
    return table


def _table_of_refusals(refusals: list[dict[str, Any]]) -> Table:
    table = _table("refused", "cause", "status", "detail", "address")
    for each in refusals:
        table.add_row(
            f"{lasted(each['ago_s'])} ago",
            each["cause"],
            str(each["status"] or "-"),
            clean(each["detail"]),
            clean(each["address"]),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _state(session: dict[str, Any]) -> str:
    state = session["state"] if session["verdict"] == "healthy" else session["verdict"]
    return f"{state}, in the process that leaves" if session.get("former") else state


def _briefly(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else lasted(seconds)  # noqa: PLR2004 (it is kept so)


def _rtt(seconds: float | None) -> str:
    return "-" if seconds is None else in_ms(seconds)
