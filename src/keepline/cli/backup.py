"""`keepline backup`: a copy of what a gateway keeps, while it is in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from keepline.cli.advice import advice
from keepline.cli.options import (
    Assignments,
    Config,
    Data,
    read_settings,
)
from keepline.errors import StartError
from keepline.gateway.auth.kept_key import KEY_FILE

if TYPE_CHECKING:
    from keepline.settings import Settings

Target = Annotated[
    Path, typer.Argument(metavar="DIR", help="Where the copies go; it is made if need be.")
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(backup)


def backup(
    target: Target,
    *,
    data: Data = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Copy all that is kept of devices, tokens' key included, while a gateway may run."""
    with advice():
        sources = _sources(read_settings(config, assignments, data=data))
        try:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StartError(
                f"cannot make {target}: {error.strerror}", "give a directory you may write in"
            ) from error
        from keepline.hub.backup import (  # noqa: PLC0415 (other commands need not wait)
            back_up,
            copy_file,
        )

        screen = Console(stderr=True)
        for source in sources:
            with screen.status(f"copying {source.name}"):
                copy = copy_file if source.name == KEY_FILE else back_up
                size_bytes = copy(source, target / source.name)
            typer.echo(f"{target / source.name}  {max(1, size_bytes // 1024)} KiB")


def _sources(settings: Settings) -> list[Path]:
    if settings.data_dir is None:
        raise StartError(
            "no state is kept: data_dir is none", "say where it is with --data, or --config"
        )
    found = sorted(settings.data_dir.glob("*.db"))
    if not found:
        raise StartError(
            f"there is nothing to copy in {settings.data_dir}",
            "give --data as it was given to `keepline serve`",
        )
    # Without the key that signed them every device's token would be void where this is restored.
    key = settings.data_dir / KEY_FILE
    return [*found, key] if key.exists() else found
