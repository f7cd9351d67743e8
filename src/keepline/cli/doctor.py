"""`keepline doctor`: what of this machine and these settings would hurt, and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from keepline.cli.advice import advice
from keepline.cli.allocator import installed_jemalloc
from keepline.cli.authenticator_name import load_authenticator
from keepline.cli.handler_name import check_alone, load_handler
from keepline.cli.options import (
    AdminHost,
    AdminPort,
    Assignments,
    AuthenticatorName,
    Config,
    Data,
    HandlerName,
    Host,
    Insecure,
    Port,
    TableAsJson,
    Token,
    Upstream,
    Workers,
    read_settings,
)
from keepline.cli.screen import wide_screen
from keepline.clock import SystemClock
from keepline.log import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.app.doctor.diagnosis import Diagnosis
    from keepline.settings import Settings

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}
LEAST_WIDTH = 160  # a terminal breaks longer lines itself


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(doctor)


def doctor(
    handler: HandlerName = None,
    *,
    auth: AuthenticatorName = None,
    host: Host = None,
    port: Port = None,
    admin_host: AdminHost = None,
    admin_port: AdminPort = None,
    data: Data = None,
    token: Token = None,
    insecure: Insecure = None,
    upstream: Upstream = None,
    workers: Workers = None,
    as_json: TableAsJson = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell what of this machine and these settings would hurt; status 1 where something will."""
    with advice():
        settings = read_settings(
            config,
            assignments,
            host=host,
            port=port,
            admin_host=admin_host,
            admin_port=admin_port,
            data=data,
            token=token,
            insecure=insecure,
            upstream=upstream,
            workers=workers,
        )
        found = _examined(settings, handler, auth)
    if as_json:
        typer.echo(json.dumps([each._asdict() for each in found], indent=2))
    else:
        screen = wide_screen(LEAST_WIDTH)
        for line in lines_of(found):
            screen.print(line)
    raise typer.Exit(int(any(each.standing == "problem" for each in found)))


def _examined(settings: Settings, handler: str | None, auth: str | None) -> list[Diagnosis]:
    """Return what is said of the settings, and of the code that `serve` would load."""
    # Here, since other commands need not wait for all that.
    from keepline.app.doctor import door  # noqa: PLC0415
    from keepline.app.doctor.code import loaded  # noqa: PLC0415 - as above
    from keepline.app.doctor.examination import examine  # noqa: PLC0415 - as above

    def load_alone(name: str) -> None:
        check_alone(name, settings)
        load_handler(name)

    judge = None
    if auth is not None:
        check = door.OF_DEVICES
        judge = loaded(check, lambda: load_authenticator(auth), f"judged by {auth}")
    found = examine(settings, SystemClock(), installed_jemalloc(), judge=judge)
    if handler is not None:
        found.append(loaded("handler", lambda: load_alone(handler), f"{handler} can be loaded"))
    return found


def lines_of(found: Sequence[Diagnosis]) -> list[Text]:
    """Return a line for each, a second one for what to do, and how many there are of which."""
    width = max(len(each.check) for each in found)
    lines = []
    for check, standing, words, advised in found:
        mark = (f"{standing:8}", STYLES[standing])
        lines.append(Text.assemble(mark, f" {check:{width}}  {clean(words)}"))
        if advised:
            lines.append(Text(f"{'':9}{'':{width}}  → {clean(advised)}"))
    counts = {name: sum(each.standing == name for each in found) for name in STYLES}
    told = [_counted(counts[name], name) for name in ("problem", "warning") if counts[name]]
    return [*lines, Text(), Text(", ".join(told) or "nothing to do")]


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
