"""What systemd is told, and what it gives: a few lines of its two small protocols."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FIRST_DESCRIPTOR: Final = 3
ADMIN_NAME: Final = "admin"
"""`FileDescriptorName=` of the socket unit that is the operators'; any other is the devices'."""


def tell(*lines: str) -> None:
    """Tell the service manager, where there is one: `READY=1`, `MAINPID=…` (sd_notify)."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    address = f"\0{place[1:]}" if place.startswith("@") else place
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(address)
        out.send("\n".join(lines).encode(), socket.MSG_DONTWAIT)


def given_sockets(
    environment: MutableMapping[str, str],
) -> tuple[list[socket.socket], socket.socket | None]:
    """Return the devices' and the operators' listening sockets that systemd opened for us.

    It is forgotten that they were given: a process of ours is given them by us.
    """
    count = int(environment.pop("LISTEN_FDS", "0"))
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if environment.pop("LISTEN_PID", "") != str(os.getpid()):
        return [], None
    devices: list[socket.socket] = []
    admin = None
    for number in range(count):
        sock = socket.socket(fileno=FIRST_DESCRIPTOR + number)
        sock.set_inheritable(False)
        sock.setblocking(False)
        if names[number : number + 1] == [ADMIN_NAME]:
            admin = sock
        else:
            devices.append(sock)
    return devices, admin
