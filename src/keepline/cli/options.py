"""Options that several commands share, and the settings that come of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keepline.cli.configuration import Given, load

if TYPE_CHECKING:
    from keepline.settings import Settings

HandlerName = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:CLASS", help="What happens behind a connection; echo by default."
    ),
]
AuthenticatorName = Annotated[
    str | None,
    typer.Option(metavar="MODULE:NAME", help="Who judges devices instead of auth.mode."),
]
Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where devices connect.")]
Port = Annotated[
    str | None, typer.Option(metavar="PORT", help="The devices' port; 0 lets the system choose.")
]
AdminHost = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Where operators look: health, metrics, API.")
]
AdminPort = Annotated[
    str | None, typer.Option(metavar="PORT", help="Their port; 0 lets the system choose.")
]
# `readable=False`: the checks are ours, they say what to do next.
Data = Annotated[
    Path | None, typer.Option(metavar="DIR", readable=False, help="Where state is kept.")
]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        help="What devices show to be let in. In KEEPLINE_AUTH__TOKEN, `ps` does not show it.",
    ),
]
Insecure = Annotated[
    bool | None,
    typer.Option(
        "--insecure", help="Let everybody in without a token, also where others can connect."
    ),
]
Upstream = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL", help="A voice server to pass devices on to (ws:// or wss://); repeatable."
    ),
]
Workers = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="How many processes share the devices.")
]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", readable=False, help="Settings in TOML.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Any one setting; repeatable."),
]
AdminUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="KEEPLINE_ADMIN_URL",
        help="Where its admin interface is; without it, where the settings say.",
    ),
]
TableAsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of a table.")]
TablesAsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of tables.")]
LinesAsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON object a line.")]

_STANDS_FOR = {
    "host": "server.host",
    "port": "server.port",
    "admin_host": "admin.host",
    "admin_port": "admin.port",
    "data": "data_dir",
    "token": "auth.token",
    "insecure": "auth.insecure",
    "upstream": "upstream.urls",
    "workers": "server.workers",
}


def read_settings(
    config: Path | None, assignments: list[str] | None, **options: object
) -> Settings:
    """Return the settings of file, environment, `--set` and the options that were given.

    `options` are by the name of their parameter, None where not given. Raises StartError.
    """
    flags = {
        _STANDS_FOR[name]: Given(value, f"--{name.replace('_', '-')}")
        for name, value in options.items()
        if value is not None
    }
    return load(file=config, environment=os.environ, assignments=assignments or (), flags=flags)
