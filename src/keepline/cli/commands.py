"""What can be typed. Each command reads its settings and hands over to `app`."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

import keepline
from keepline.cli.allocator import use_system_allocator
from keepline.cli.configuration import Given, load
from keepline.cli.handler_name import load_handler
from keepline.errors import StartError
from keepline.settings.auth import Auth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.settings import Settings

app = typer.Typer(
    name="keepline",
    help="Keeps fleets of ESP32 voice devices connected.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # would show local variables, tokens among them
)

Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where devices connect.")]
Port = Annotated[
    str | None, typer.Option(metavar="PORT", help="The devices' port; 0 lets the system choose.")
]
AdminHost = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Where /healthz, /readyz, /metrics are.")
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
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", readable=False, help="Settings in TOML.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Any one setting; repeatable."),
]

_STANDS_FOR = {
    "host": "server.host",
    "port": "server.port",
    "admin_host": "admin.host",
    "admin_port": "admin.port",
    "data": "data_dir",
    "token": "auth.token",
}


@app.command()
def serve(
    handler: Annotated[
        str, typer.Argument(metavar="MODULE:CLASS", help="What happens behind a connection.")
    ] = "echo",
    *,
    host: Host = None,
    port: Port = None,
    admin_host: AdminHost = None,
    admin_port: AdminPort = None,
    data: Data = None,
    token: Token = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Run a gateway in the foreground until SIGTERM or Ctrl-C."""
    with _advice():
        flags = _flags(
            host=host,
            port=port,
            admin_host=admin_host,
            admin_port=admin_port,
            data=data,
            token=token,
        )
        settings = _settings(config, assignments, flags)
        handler_class = load_handler(handler)
        from keepline.app import serve as run  # noqa: PLC0415 - `keepline version` need not wait

        status = run(settings, handler_class)
    raise typer.Exit(status)


@app.command()
def demo(
    *,
    devices: Annotated[int, typer.Option(min=1, help="How many simulated devices.")] = 5,
    host: Host = None,
    port: Port = None,
    admin_host: AdminHost = None,
    admin_port: AdminPort = None,
    data: Data = None,
    token: Token = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Run a gateway with a few simulated devices talking to it."""
    with _advice():
        flags = _flags(
            host=host,
            port=port,
            admin_host=admin_host,
            admin_port=admin_port,
            data=data,
            token=token,
        )
        settings = _settings(config, assignments, flags)
        if settings.auth.token is None:
            auth = Auth(token=secrets.token_urlsafe(12))
            settings = settings.model_copy(update={"auth": auth})
        from keepline.app import demo as run  # noqa: PLC0415 - as above
        from keepline.cli.demo_screen import DemoScreen  # noqa: PLC0415 - as above

        screen = DemoScreen()
        status = run(settings, devices=devices, announce=screen.announce, on_progress=screen.show)
    raise typer.Exit(status)


@app.command()
def token() -> None:
    """Print a new random token, for --token and for the devices."""
    typer.echo(secrets.token_hex(16))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(keepline.__version__)


def main() -> None:
    """Run the command line; exits the process."""
    if sys.argv[1:2] in (["serve"], ["demo"]):
        use_system_allocator()
    app(prog_name="keepline")


@contextmanager
def _advice() -> Iterator[None]:
    """Turn an error of starting into its problem and hint on stderr, exit status 2."""
    try:
        yield
    except StartError as error:
        screen = Console(stderr=True, soft_wrap=True)
        screen.print(Text.assemble(("error: ", "bold red"), error.problem))
        for line in error.hint.splitlines():
            screen.print(Text.assemble(("  → ", "bold"), line))
        raise typer.Exit(2) from error


def _flags(**options: object) -> dict[str, Given]:
    return {
        _STANDS_FOR[name]: Given(value, f"--{name.replace('_', '-')}")
        for name, value in options.items()
        if value is not None
    }


def _settings(
    config: Path | None, assignments: list[str] | None, flags: dict[str, Given]
) -> Settings:
    settings = load(file=config, environment=os.environ, assignments=assignments or (), flags=flags)
    if settings.data_dir is not None:
        _prepare_directory(settings.data_dir)
    return settings


def _prepare_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        usable = os.access(path, os.R_OK | os.W_OK | os.X_OK)
        problem = "permission denied"
    except OSError as error:
        usable, problem = False, error.strerror or str(error)
    if not usable:
        raise StartError(
            f"cannot keep state in {path}: {problem}",
            "give --data a directory that this user may read and write",
        )
