"""`keepline capacity`: how many sessions there is room for, and what would change that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

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
from keepline.log import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Interval = Annotated[
    float | None,
    typer.Option("--interval", min=1, max=86_400, help="As if pinged every so many seconds."),
]
Talking = Annotated[
    float | None,
    typer.Option("--talking", min=0, max=1, help="As if this share talked, 0 to 1."),
]
Memory = Annotated[
    int | None, typer.Option("--memory", min=1, help="As if there was so much memory, in MiB.")
]

ROOMS: Final = ("resource", "used", "may be", "a session", "fits")
CHANGES: Final = ("if", "fits", "then used up", "given up after")

_MIB: Final = 1 << 20

_SHOWN: Final[dict[str, Callable[[float], str]]] = {
    "memory": lambda value: amount("memory_bytes", value),
    "cpu": lambda value: f"{100 * value:.3g} %",
}
"""How the numbers of a resource are shown; pieces are counted."""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(capacity)


def capacity(
    *,
    interval: Interval = None,
    talking: Talking = None,
    memory: Memory = None,
    as_json: TablesAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell how many more devices there is room for, what runs out first, and what would help."""
    with advice():
        found = connect(admin_url, config, assignments).get(
            "/api/capacity",
            interval_s=interval,
            talking=talking,
            memory_bytes=None if memory is None else memory * _MIB,
        )
        typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines_of(found)))


def lines_of(found: dict[str, Any]) -> list[str]:
    """Return what there is room for, for a person."""
    terms = found["terms"]
    assumed = (
        f"with {100 * terms['talk_share']:.0f} % talking, pings every {terms['interval_s']:g} s"
        f" (who is gone is given up after {terms['verdict_s']:.0f} s)"
    )
    guessed = [clean(room["resource"]) for room in found["rooms"] if not room["learned"]]
    lines = [
        _head(found),
        assumed,
        "",
        *in_columns(ROOMS, map(_room, found["rooms"])),
        "",
        *in_columns(CHANGES, map(_what_if, found["what_if"])),
    ]
    if guessed:
        lines += [
            "",
            f"not seen enough yet: {', '.join(guessed)}; what a session takes of it is a guess (?)",
        ]
    return lines


def _head(found: dict[str, Any]) -> str:
    there = f"{found['sessions']} are there"
    if found["known"]:
        ends = f"{found['most']} fit, then {clean(found['limited_by'])} is used up"
        return f"room for {found['left']} more: {there}, {ends}"
    if found["least"] == found["best"]:  # whatever a session takes, this ends it
        ends = f"more than {found['most']} may not be ({clean(found['limited_by'])})"
    else:
        ends = f"{_most(found)} fit if others are like them"
    return f"too little was seen to tell: {there}, {ends}"


def _most(found: dict[str, Any]) -> str:
    """Return how many fit; from where to where, as long as that is a guess."""
    if found["known"] or found["least"] == found["best"]:
        return str(found["most"])
    return f"{found['least']} to {found['best']}"


def _room(room: dict[str, Any]) -> Sequence[str]:
    shown = _SHOWN.get(room["resource"], _pieces)
    each = shown(room["each"]) + ("" if room["learned"] else " ?")
    most = "any number" if room["most"] is None else str(room["most"])
    return room["resource"], shown(room["used"]), shown(room["allowed"]), each, most


def _pieces(count: float) -> str:
    return f"{count:.0f}"


def _what_if(each: dict[str, Any]) -> Sequence[str]:
    given_up = f"{each['verdict_s']:.0f} s"
    return each["change"], _most(each), each["limited_by"], given_up
