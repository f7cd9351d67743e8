"""`serve` with several workers: what they share is opened here, where errors can be told.

Then this process becomes a small one that looks after them, with nothing of a gateway loaded.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from keepline.app import service
from keepline.app.data_directory import held
from keepline.app.heir import command_line
from keepline.app.workers.broker import find_program
from keepline.app.workers.looking_after import HEARD
from keepline.app.workers.terms import Terms
from keepline.gateway.sockets import open_listener, open_listeners

if TYPE_CHECKING:
    import socket

    from keepline.settings import Settings

ADMIN_BACKLOG = 128
PREFIX = "keepline-"
LONGEST_BYTES = 90  # of the 107 that the name of a socket may have
MODULE = "keepline.app.workers"


def serve_by_workers(settings: Settings) -> NoReturn:
    """Become the process that runs `server.workers` others; its end is ours.

    Each runs the command line of this one. Raises StartError.
    """
    broker = "" if settings.cluster.servers else find_program()
    with held(settings.data_dir) as lock:
        devices, admin = _listening(settings)
        directory = settings.data_dir
        terms = Terms(
            command=command_line(None),
            arguments=sys.argv[1:],
            workers=settings.server.workers,
            devices=[sock.fileno() for sock in devices],
            admin=admin.fileno(),
            run_dir=_run_directory(),
            data_dir="" if directory is None else str(directory.absolute()),
            lock=lock,
            broker=broker,
            log_level=settings.log.level,
            log_style=settings.log.format,
            log_fold_per_s=settings.log.fold_per_s,
        )
        try:
            _become(terms)
        finally:
            Path(terms.run_dir).rmdir()


def _run_directory() -> str:
    """Make a directory that nobody else may look into, with a name that sockets can have."""
    path = tempfile.mkdtemp(prefix=PREFIX)
    if len(os.fsencode(path)) > LONGEST_BYTES:
        Path(path).rmdir()
        path = tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")
    return path


def _become(terms: Terms) -> NoReturn:
    for descriptor in terms.descriptors:
        os.set_inheritable(descriptor, True)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    # Until the other program hears them they wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    # Not from the working directory, whatever is in it (-P).
    os.execv(sys.executable, [sys.executable, "-P", "-m", MODULE, terms.text()])  # noqa: S606


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
