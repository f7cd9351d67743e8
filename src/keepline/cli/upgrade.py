"""`keepline upgrade`: another process takes over, and nobody who connects meanwhile is refused."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from keepline.cli.advice import advice
from keepline.cli.options import Assignments, Config, Data, read_settings
from keepline.errors import StartError
from keepline.log import clean

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from rich.status import Status

ANSWER_S: Final = 10.0
PATIENCE_S: Final = 60.0
SILENCE_S: Final = 60.0
"""How long one says nothing while it drains: it tells twice a second how far it has come."""

_Message = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(upgrade)


def upgrade(
    *,
    program: Annotated[
        str | None,
        typer.Option(
            "--exec",
            metavar="PROGRAM",
            help="Another keepline to start, with the same arguments; else the same one again.",
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=1.0, help="How long the new process may take to be ready."
        ),
    ] = PATIENCE_S,
    data: Data = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Have a new process take over from the gateway on this data directory, then let it leave."""
    with advice():
        data_dir = read_settings(config, assignments, data=data).data_dir
        if data_dir is None:
            raise StartError(
                "which gateway? it is found by the directory of its state",
                "give --data as it was given to `keepline serve`; without one nothing can be handed"
                " over, and a gateway is upgraded by stopping and starting it",
            )
        screen = Console(stderr=True)
        with closing(_connected(data_dir)) as sock, screen.status("") as status:
            _follow(_told(sock, _found_from_here(program), wait), status, screen)


def _found_from_here(program: str | None) -> str | None:
    """Return a path as it is meant where it is typed: the gateway's directory is another."""
    return str(Path(program).absolute()) if program is not None and os.sep in program else program


def _connected(data_dir: Path) -> socket.socket:
    from keepline.app import line  # noqa: PLC0415 (other commands need not wait)

    if not line.is_possible():
        raise StartError("this system cannot hand sockets over", "stop the gateway, and start it")
    try:
        return line.connect(data_dir, ANSWER_S)
    except OSError as error:
        raise StartError(
            f"no gateway that can be upgraded keeps its state in {data_dir}:"
            f" {error.strerror or error}",
            "is it running, and as this user? start it with: keepline serve --data …",
        ) from error


def _told(sock: socket.socket, program: str | None, wait_s: float) -> Iterator[_Message]:
    """Ask, and yield what the gateway tells until its end. Raises StartError."""
    from keepline.app import line  # noqa: PLC0415 - as above

    asked = {"ask": "upgrade", "version": line.VERSION, "program": program, "patience_s": wait_s}
    try:
        line.send(sock, asked)
        sock.settimeout(wait_s + SILENCE_S)
        while True:
            message, _ = line.receive(sock)
            yield message
    except ConnectionError:
        return
    except (OSError, ValueError) as error:
        raise StartError(
            f"the gateway does not answer any more: {error}", "look at its log"
        ) from error


def _follow(told: Iterator[_Message], status: Status, screen: Console) -> None:
    """Show what is told. Raises StartError unless another process has taken over."""
    has_begun = False
    status.update("asking")
    for message in told:
        match message:
            case {"told": "starting", "pid": pid}:
                has_begun = True
                status.update(f"process {pid} starts")
            case {"told": "ready", "pid": pid}:
                screen.print(f"process {pid} has taken over: it accepts all who connect")
                status.update("the former process drains")
            case {"told": "draining", "left": left}:
                status.update(f"the former process drains: {left} devices left")
            case {"told": "done"}:
                screen.print("the former process has left")
                return
            case {"told": "failed", "why": why, "hint": hint}:
                # Who asks as root may ask in a directory of somebody else's.
                raise StartError(f"not upgraded: {clean(str(why))}", clean(str(hint)))
    raise StartError(
        "the former process ended without a word" if has_begun else "the gateway hung up",
        "look at its log: what it held is waited for by whoever serves now",
    )
