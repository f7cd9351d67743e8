"""`serve` with several workers: what they share is opened here, and then looked after."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from keepline.app import service
from keepline.app.data_directory import held
from keepline.app.heir import command_line
from keepline.app.workers.broker import Broker
from keepline.app.workers.supervisor import Supervisor
from keepline.clock import SystemClock
from keepline.gateway.sockets import open_listener, open_listeners
from keepline.log import Log

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from keepline.settings import Settings

ADMIN_BACKLOG = 128
LAST_LINES_S = 2.0


def serve_by_workers(settings: Settings) -> int:
    """Run `server.workers` processes until SIGTERM or SIGINT; return the exit status.

    Each runs the command line of this one. Raises StartError.
    """
    with held(settings.data_dir) as data_dir, _run_directory() as run_dir:
        devices, admin = _listening(settings)
        clock = SystemClock()
        log = Log(
            sys.stderr,
            clock,
            level=settings.log.level,
            style=settings.log.format,
            fold_per_s=settings.log.fold_per_s,
        )
        log.start()
        try:
            broker = None
            if not settings.cluster.url:
                broker = Broker(settings.data_dir, run_dir, clock=clock, log=log)
            supervisor = Supervisor(
                command_line(None),
                settings.server.workers,
                devices=devices,
                admin=admin,
                run_dir=run_dir,
                data_dir=data_dir,
                broker=broker,
                clock=clock,
                log=log,
            )
            return asyncio.run(supervisor.run())
        finally:
            log.stop(LAST_LINES_S)
            for sock in (*devices, admin):
                sock.close()


def _listening(settings: Settings) -> tuple[list[socket.socket], socket.socket]:
    """Return the sockets of devices and operators: systemd's, where it has given some."""
    server = settings.server
    devices, admin = service.given_sockets(os.environ)
    if not devices:
        devices = open_listeners(server.host, server.port, server.backlog, server.kernel_timeout_s)
    try:
        admin = admin or open_listener(
            settings.admin.host, settings.admin.port, ADMIN_BACKLOG, None
        )
    except BaseException:
        for sock in devices:
            sock.close()
        raise
    return devices, admin


@contextmanager
def _run_directory() -> Iterator[Path]:
    """Yield a directory for this run that nobody else may look into; it is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="keepline-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
