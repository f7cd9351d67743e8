"""`keepline handlers` and `keepline leaks`: how the application's code behaves, and who grows."""

from __future__ import annotations

import json
from typing import Any

import typer

from keepline.cli.advice import advice
from keepline.cli.client import connect
from keepline.cli.columns import in_columns
from keepline.cli.options import (  # noqa: TC001 - typer reads them
    AdminUrl,
    Assignments,
    Config,
    TablesAsJson,
)
from keepline.log import clean

Row = tuple[str, ...]

_GOOD = {"serving": "serving", "suspended": "suspended", "probing": "being tried"}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(handlers)
    app.command()(leaks)


def handlers(
    *,
    as_json: TablesAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell how handlers fail, which are left alone, and what of them does not end."""
    with advice():
        found = connect(admin_url, config, assignments).get("/api/handlers")
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines_of_handlers(found)))


def leaks(
    *,
    as_json: TablesAsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell who has most under way, and who grows."""
    with advice():
        found = connect(admin_url, config, assignments).get("/api/leaks")
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines_of_leaks(found)))


def lines_of_handlers(found: dict[str, Any]) -> list[str]:
    """Return what `GET /api/handlers` has answered, for a person."""
    failing = [
        (each["handler"], _standing(each), str(each["devices"]), str(each["failures"]))
        for each in found["handlers"]
    ]
    faults = [
        tuple(str(each[name]) for name in ("fault", "handler", "us", "socket"))
        for each in found["faults"]
        if any(each[name] for name in ("handler", "us", "socket"))
    ]
    strays = [
        (each["kind"], each["call"], each["device_id"], f"{each['for_s']:.0f} s", each["at"])
        for each in found["strays"]
    ]
    told = [
        *_table("failing handlers", ("handler", "standing", "devices", "failures"), failing),
        *_table("caught, by where it came from", ("fault", "handler", "us", "socket"), faults),
        *_table("does not end", ("kind", "call", "device", "for", "at"), strays),
    ]
    if (blocked := found["blocked"]) is not None:
        who = " ".join(filter(None, (blocked["call"], blocked["device_id"], blocked["at"])))
        told.append(clean(f"the loop was last held up for {blocked['lost_s']:.1f} s by {who}"))
    return told or ["no handler has failed"]


def lines_of_leaks(found: dict[str, Any]) -> list[str]:
    """Return what `GET /api/leaks` has answered, for a person."""
    head = ("", "tasks", "timers", "queued bytes", "grows")
    wild = [
        (each["runs"], str(each["tasks"]), "yes" if each["growing"] else "")
        for each in found["wild"]
    ]
    memory = [
        (each["at"], str(each["held_bytes"]), f"{each['grown_bytes']:+}")
        for each in found["memory"]
    ]
    told = [
        *_table("by handler", head, [_owner(each) for each in found["handlers"]]),
        *_table("by session", head, [_owner(each) for each in found["sessions"]]),
        *_table("tasks that no session has", ("", "tasks", "grows"), wild),
        *_table("memory by line", ("", "bytes", "since the last question"), memory),
    ]
    return told or ["nothing is under way beside the calls"]


def _owner(each: dict[str, Any]) -> Row:
    numbers = (str(each[name]) for name in ("tasks", "timers", "queued_bytes"))
    return each["owner"], *numbers, ", ".join(each["growing"])


def _standing(each: dict[str, Any]) -> str:
    wait = f" for {each['wait_s']:.0f} s" if each["wait_s"] else ""
    first, *others = each.get("addresses") or ("",)
    more = f" and {len(others)} more" if others else ""
    standing = "tried with who comes next" if each.get("untried") else _GOOD[each["standing"]]
    return standing + wait + (f", but not {first}{more}" if first else "")


def _table(title: str, head: Row, rows: list[Any]) -> list[str]:
    if not rows:
        return []
    return [f"{title}:", *(f"  {line}" for line in in_columns(head, rows)), ""]
