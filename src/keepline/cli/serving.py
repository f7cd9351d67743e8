"""`keepline serve` and `keepline demo`: a gateway in the foreground."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from keepline.cli.advice import advice
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
    Token,
    Upstream,
    Workers,
    read_settings,
)
from keepline.errors import StartError
from keepline.settings.auth import Auth

if TYPE_CHECKING:
    from keepline.gateway.auth import Authenticator
    from keepline.gateway.handler import AnyHandler
    from keepline.settings import Settings

MOST_DEVICES: Final = 1_000
"""Of a demo, in whose loop they live, too; `keepline fleet` has more."""

OWNER_ONLY: Final = 0o700  # it holds the key for tokens, and who has which device


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(serve)
    app.command()(demo)


def serve(
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
    config: Config = None,
    assignments: Assignments = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start again when a Python file here changes.")
    ] = False,
) -> None:
    """Run a gateway in the foreground until SIGTERM or Ctrl-C."""
    with advice():
        settings = _settings(
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
        if handler is not None:
            check_alone(handler, settings)
        if reload:
            _check_one_worker(settings)
            raise typer.Exit(_serve_reloading(settings))
        if _is_supervisor(settings):
            from keepline.app.workers.launch import serve_by_workers  # noqa: PLC0415 - as below

            serve_by_workers(settings)
        handler_class = load_handler(handler or "echo")
        judge = None if auth is None else load_authenticator(auth)
        status = _serve_here(settings, handler_class, judge)
    raise typer.Exit(status)


def demo(
    *,
    devices: Annotated[
        int, typer.Option(min=1, max=MOST_DEVICES, help="How many simulated devices.")
    ] = 5,
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
    with advice():
        settings = _settings(
            config,
            assignments,
            host=host,
            port=port,
            admin_host=admin_host,
            admin_port=admin_port,
            data=data,
            token=token,
        )
        if settings.auth.token is None:
            auth = Auth(token=secrets.token_urlsafe(12))
            settings = settings.model_copy(update={"auth": auth})
        from keepline.app.process import demo as run  # noqa: PLC0415 - as above
        from keepline.cli.demo_screen import DemoScreen  # noqa: PLC0415 - as above

        screen = DemoScreen()
        status = run(settings, devices=devices, announce=screen.announce, on_progress=screen.show)
    raise typer.Exit(status)


def _serve_here(settings: Settings, handler: type[AnyHandler], judge: Authenticator | None) -> int:
    """Run a gateway in this process: the only one, or a worker."""
    # Here, since `keepline version` need not wait for all that.
    from keepline.app.estate import estate_at, estate_of  # noqa: PLC0415
    from keepline.app.process import serve as run  # noqa: PLC0415 - as above
    from keepline.app.reloading import given_sockets  # noqa: PLC0415 - as above
    from keepline.app.workers.part import settings_at  # noqa: PLC0415 - as above
    from keepline.app.workers.post import post_of  # noqa: PLC0415 - as above
    from keepline.cli.welcome import welcome  # noqa: PLC0415 - as above

    post = post_of(os.environ)
    if post is not None:
        draw = secrets.token_bytes if judge is None else None
        settings = settings_at(post, settings, draw)
        return run(settings, handler, authenticator=judge, estate=estate_at(post))
    lent = given_sockets(os.environ)
    return run(
        settings,
        handler,
        authenticator=judge,
        sockets=lent,
        estate=None if lent else estate_of(os.environ, settings.data_dir),
        announce=welcome if _is_watched() else None,
    )


def _is_supervisor(settings: Settings) -> bool:
    """Whether this process is to look after workers, and is none of them."""
    from keepline.app.workers.post import VARIABLE  # noqa: PLC0415 - as above

    return settings.server.workers > 1 and VARIABLE not in os.environ


def _check_one_worker(settings: Settings) -> None:
    if settings.server.workers > 1:
        raise StartError(
            "--reload starts one process again and again, and there are to be several",
            "leave out --reload, or --workers",
        )


def _serve_reloading(settings: Settings) -> int:
    """Hold the socket, and have another process serve for as long as the code stays the same."""
    from keepline.app.reloading import Reloader  # noqa: PLC0415 - as above
    from keepline.gateway.sockets import open_listeners  # noqa: PLC0415 - as above

    server = settings.server
    sockets = open_listeners(server.host, server.port, server.backlog, server.kernel_timeout_s)
    arguments = [argument for argument in sys.argv[1:] if argument != "--reload"]
    command = [sys.executable, "-m", "keepline", *arguments]
    return Reloader(command, sockets, Path.cwd(), _note).run()


def _note(text: str) -> None:
    typer.secho(f"reload: {text}", err=True, dim=True)


def _is_watched() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _settings(config: Path | None, assignments: list[str] | None, **options: object) -> Settings:
    settings = read_settings(config, assignments, **options)
    if settings.data_dir is not None:
        _prepare_directory(settings.data_dir)
    return settings


def _prepare_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY)
        usable = os.access(path, os.R_OK | os.W_OK | os.X_OK)
        problem = "permission denied"
    except FileExistsError:
        usable, problem = False, "it is no directory"
    except OSError as error:
        usable, problem = False, error.strerror or str(error)
    if not usable:
        raise StartError(
            f"cannot keep state in {path}: {problem}",
            "give --data a directory that this user may read and write",
        )
