"""`keepline governor`: how pressed a gateway is, what it does about it, and overruling it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepline.cli.advice import advice
from keepline.cli.client import connect
from keepline.cli.columns import in_columns
from keepline.cli.measures import amount
from keepline.cli.options import (  # noqa: TC001 - typer reads them
    AdminUrl,
    Assignments,
    Config,
    TablesAsJson,
)
from keepline.cli.sentences import lasted
from keepline.cli.typed import me, seconds
from keepline.errors import StartError
from keepline.log import clean
from keepline.settings.governor import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

Pressure = Annotated[
    float, typer.Argument(min=0, max=1, help="As if the gateway was pressed so much, 0 to 1.")
]
Which = Annotated[str, typer.Argument(metavar="ACTION", help=f"One of {', '.join(ACTIONS)}.")]
OneOrAll = Annotated[
    str, typer.Argument(metavar="ACTION", help=f"This one alone, of {', '.join(ACTIONS)}.")
]
For = Annotated[
    str,
    typer.Option(
        "--for", metavar="TIME", help="How long: 90s, 30m, 2h, 1d; 30d at most. Else for good."
    ),
]

_SIGNALS: dict[str, tuple[str, Callable[[float], str]]] = {
    "lag": ("loop lag, p95 of 2 s", lambda value: amount("loop_lag_p95_s", value)),
    "memory": ("memory, of its limit", lambda value: f"{100 * value:.1f} %"),
    "queued": ("waits in queues", lambda value: amount("queue_bytes", value)),
    "standing": ("a queue to be judged", lambda value: f"for {value:.1f} s"),
}

governor = typer.Typer(help="See how pressed the gateway is and what it does; overrule it.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(governor, name="governor")


@governor.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    *,
    as_json: TablesAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell how pressed the gateway is, by what, and what it does about it."""
    if context.invoked_subcommand is not None:
        return
    with advice():
        found = connect(admin_url, config, assignments).get("/api/governor")
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines_of(found)))


@governor.command()
def force(
    pressure: Pressure,
    action: OneOrAll = "",
    *,
    for_: For = "",
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Have it, or one action alone, act by this pressure, whatever its signals say.

    1 has an action done with all its strength, 0 in no case. Until it is released, or --for TIME.
    """
    with advice():
        body = {"pressure": pressure, **_one(action), "by": me()}
        if for_:
            body["for_s"] = seconds(for_)
        _print(connect(admin_url, config, assignments).post("/api/governor/force", body))


@governor.command()
def release(
    action: OneOrAll = "",
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Have it act by its signals again: all that was forced ends, or that of one action alone."""
    with advice():
        body = {"pressure": None, **_one(action), "by": me()}
        _print(connect(admin_url, config, assignments).post("/api/governor/force", body))


@governor.command()
def disable(
    action: Which,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Have an action done in no case, until it is enabled or the gateway starts anew."""
    with advice():
        _switch(action, connect(admin_url, config, assignments), on=False)


@governor.command()
def enable(
    action: Which,
    *,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Have an action done when it is due."""
    with advice():
        _switch(action, connect(admin_url, config, assignments), on=True)


def _switch(action: str, client: Any, *, on: bool) -> None:
    _check(action)
    _print(client.post("/api/governor/switch", {"action": action, "on": on}))


def _one(action: str) -> dict[str, Any]:
    if not action:
        return {}
    _check(action)
    return {"action": action}


def _check(action: str) -> None:
    if action not in ACTIONS:
        raise StartError(f"{clean(action)} is no action", f"there are: {', '.join(ACTIONS)}")


def _print(found: dict[str, Any]) -> None:
    typer.echo("\n".join(lines_of(found)))


def lines_of(found: dict[str, Any]) -> list[str]:
    """Return what the governor has told, for a person."""
    door = found["door"]
    limit = "no limit" if door["limit"] is None else f"at most {door['limit']:.0f}"
    if door["per_turn"] is not None:
        limit += f", {door['per_turn']:.0f} in a turn of the loop"
    now = (
        f"at the door: {door['judging']} are judged, {limit}; {door['waiting']} wait for it,"
        f" {door['holding']} are held"
    )
    so_far = (
        f"since the start: {door['waited']} waited, {door['held']} were held,"
        f" {door['refused']} refused, {door['shed']} sent away"
    )
    return [
        _head(found),
        "",
        *in_columns(("pressed by", "seen", "pressure"), map(_signal_row, found["signals"])),
        "",
        *in_columns(("action", "from", "to", "now", "times"), map(_action_row, found["actions"])),
        "",
        now,
        so_far,
    ]


def _head(found: dict[str, Any]) -> str:
    orders = []
    if found["forced"] is not None:
        orders.append(f"it acts as if it was {_ordered(found['forced'])}")
    alone = [each["action"] for each in found["actions"] if each["forced"] is not None]
    if alone:
        one, several = f"the action {alone[0]} is", f"the actions {', '.join(alone)} are"
        orders.append(f"{one if len(alone) == 1 else several} forced")
    head = f"pressure {found['pressure']:.2f}"
    return f"{head}, but {', and '.join(orders)} (keepline governor release)" if orders else head


def _signal_row(each: dict[str, Any]) -> tuple[str, ...]:
    name, shown = _SIGNALS.get(each["signal"], (each["signal"], str))
    seen = "-" if each["seen"] is None else shown(each["seen"])
    return name, seen, f"{each['pressure']:.2f}"


def _action_row(each: dict[str, Any]) -> tuple[str, ...]:
    if not each["on"]:
        now = "switched off"
    elif each["strength"] is None:
        now = "-"
    else:
        now = f"{100 * each['strength']:.0f} % for {each['for_s']:.0f} s"
    if each["forced"] is not None:
        now += f", forced: {_ordered(each['forced'])}"
    return each["action"], f"{each['low']:.2f}", f"{each['high']:.2f}", now, str(each["begun"])


def _ordered(order: dict[str, Any]) -> str:
    by = f" by {clean(order['by'])}" if order["by"] else ""
    left = "" if order["left_s"] is None else f" for {lasted(order['left_s'])} more"
    return f"{order['pressure']:.2f}{by}{left}"
