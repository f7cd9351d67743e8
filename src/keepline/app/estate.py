"""What a process has from the one before it: sockets that listen, the lock, a line to it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keepline.app import line, service
from keepline.errors import StartError
from keepline.gateway.sockets import is_loopback

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

    from keepline.app.workers.post import Post
    from keepline.settings import Settings

INHERITS: Final = "KEEPLINE_INHERITS"
"""The variable that tells a process to take over from the one on its data directory."""

ANSWER_S: Final = 10.0  # for a process that is busy with all its devices


@dataclass(frozen=True, slots=True)
class Estate:
    """Listening sockets of devices and operators, and from an elder what else makes a gateway.

    That is its data directory, open and locked, the socket at which upgrades are asked for, a line
    to it, and the names of its life in the hub and of its run in webhooks. Sockets that are shared
    stay open with systemd, whatever becomes of us. A worker has its post, and is replaced by who
    looks after it.
    """

    devices: tuple[socket.socket, ...] = ()
    admin: socket.socket | None = None
    is_shared: bool = False
    directory: int | None = None
    control: socket.socket | None = None
    line: socket.socket | None = None
    life: str = ""
    run: str | None = None
    post: Post | None = None


NOTHING: Final = Estate()


def estate_of(environment: MutableMapping[str, str], data_dir: Path | None) -> Estate:
    """Return what this process is given: by the one it takes over from, or by systemd.

    Raises StartError when it is to take over and cannot.
    """
    if environment.pop(INHERITS, ""):
        return _inherited(data_dir)
    devices, admin = service.given_sockets(environment)
    return Estate(tuple(devices), admin, is_shared=bool(devices))


def estate_at(post: Post) -> Estate:
    """Return what a worker has: the sockets that all workers share."""
    return Estate(post.devices, post.admin, is_shared=True, post=post)


def check_places(estate: Estate, settings: Settings) -> None:
    """Raise StartError for sockets that others can reach while the settings say that nobody can.

    Who is let in without a token is judged by the settings.
    """
    given = [(sock, "server.host", settings.server.host) for sock in estate.devices]
    if estate.admin is not None:
        given.append((estate.admin, "admin.host", settings.admin.host))
    for sock, name, host in given:
        address = str(sock.getsockname()[0])
        if is_loopback(host) and not is_loopback(address):
            raise StartError(
                f"the socket that was given listens on {address}, and {name} is {host}",
                f"set {name} to where others connect, so that they are asked for a token",
            )


def _inherited(data_dir: Path | None) -> Estate:
    if data_dir is None or not line.is_possible():
        raise StartError(
            "there is nobody to take over from: no state is kept",
            "the settings of this process are to name the data_dir of the one before it",
        )
    try:
        sock = line.connect(data_dir, ANSWER_S)
    except OSError as error:
        raise StartError(
            f"there is nobody to take over from in {data_dir}: {error.strerror or error}",
            "is that the data_dir of the process before this one?",
        ) from error
    try:
        line.send(sock, {"ask": "inherit", "version": line.VERSION})
        told, descriptors = line.receive(sock)
    except (OSError, ValueError) as error:
        sock.close()
        raise StartError(
            f"the process before this one does not answer: {error}",
            "it goes on, and has its devices; look at its log, and try again",
        ) from error
    return _estate(sock, told, descriptors)


def _estate(sock: socket.socket, told: line.Message, descriptors: list[int]) -> Estate:
    """Return what was told of and handed over, in this order: devices', admin, directory, ours."""
    count, has_admin = int(told.get("devices", 0)), told.get("admin") is True
    if told.get("version") != line.VERSION or len(descriptors) != count + has_admin + 2:
        for descriptor in descriptors:
            os.close(descriptor)
        sock.close()
        why = told.get("why", "it speaks another version of their language")
        raise StartError(
            f"the process before this one hands nothing over: {why}", "stop it, and start this one"
        )
    *listening, directory, control = descriptors
    sockets = [socket.socket(fileno=each) for each in (*listening, control)]
    for each in sockets:
        each.setblocking(False)
    return Estate(
        devices=tuple(sockets[:count]),
        admin=sockets[count] if has_admin else None,
        is_shared=told.get("shared") is True,
        directory=directory,
        control=sockets[-1],
        line=sock,
        life=str(told.get("life")),
        run=str(told.get("run")),
    )
