"""What processes of one gateway say to each other: whole messages over a socket of the kernel's.

One message is one packet (SOCK_SEQPACKET), a JSON object, and may carry open descriptors
(SCM_RIGHTS). The first of each side names the VERSION. The end of a line is the end of the process
behind it, so one that is only busy, with its loop held up, is not taken for one that has gone:
what finds no room waits, up to MOST_UNSENT messages.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from keepline.errors import StartError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from pathlib import Path

Message: TypeAlias = "dict[str, Any]"

VERSION: Final = 1
FILE_NAME: Final = "upgrade.sock"
OWNER_ONLY: Final = 0o600
MESSAGE_BYTES: Final = 8_192
MOST_DESCRIPTORS: Final = 64
MOST_UNSENT: Final = 4_096
"""Messages that wait for who is busy: the kernel takes less than 300 of ours."""

_CREDENTIALS: Final = struct.Struct("3i")  # SO_PEERCRED: process, user, group
_DESCRIPTORS_BYTES: Final = MOST_DESCRIPTORS * array.array("i").itemsize
_BACKLOG: Final = 8


def is_possible() -> bool:
    """Return whether this system has what it takes: Linux."""
    return hasattr(socket, "SO_PEERCRED") and hasattr(socket, "SOCK_SEQPACKET")


def listen(directory: int) -> socket.socket:
    """Return a socket that listens in the directory, open as `directory`, for its owner alone.

    What an ended process left there goes. Raises StartError.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        os.fchmod(sock.fileno(), OWNER_ONLY)  # the file has it from the first moment on
        forget(directory)
        sock.bind(_address(directory))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise StartError(
            f"cannot make {FILE_NAME}: {error.strerror}",
            "data_dir is on a file system that takes sockets",
        ) from error
    sock.setblocking(False)
    return sock


def forget(directory: int) -> None:
    """Remove the file of a socket that nobody listens at any more."""
    try:
        os.unlink(FILE_NAME, dir_fd=directory)
    except FileNotFoundError:
        return


def connect(directory: Path, within_s: float) -> socket.socket:
    """Return a blocking connection to the gateway that keeps its state in `directory`.

    Every wait on it is bounded by `within_s`. Raises OSError.
    """
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.settimeout(within_s)
        sock.connect(_address(opened))
        _check(sock)
    except BaseException:
        sock.close()
        raise
    finally:
        os.close(opened)
    return sock


def _check(sock: socket.socket) -> None:
    if os.geteuid() and not is_ours(sock):  # root may ask every gateway
        raise PermissionError("it is another user's")


def is_ours(sock: socket.socket) -> bool:
    """Return whether the peer is of our user, or root."""
    return peer(sock)[1] in {os.geteuid(), 0}


def peer(sock: socket.socket) -> tuple[int, int]:
    """Return process and user at the other end."""
    process, user, _group = _CREDENTIALS.unpack(
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    return process, user


def send(sock: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message, and what is open as `descriptors`. Raises OSError."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    sock.sendmsg([json.dumps(message).encode()], [rights] if descriptors else [])


def receive(sock: socket.socket) -> tuple[Message, list[int]]:
    """Return the next message and the descriptors that came with it.

    Raises OSError, ConnectionError at the end, ValueError for what is no message.
    """
    size = socket.CMSG_SPACE(_DESCRIPTORS_BYTES)
    data, ancillary, flags, _ = sock.recvmsg(MESSAGE_BYTES, size, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    try:
        message = _parsed(data, flags)
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return message, list(descriptors)


def _parsed(data: bytes, flags: int) -> Message:
    if not data:
        raise ConnectionResetError("the other side has ended")
    message = json.loads(data)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or not isinstance(message, dict):
        raise ValueError("this is no message")
    return message


class Line:
    """One end of a conversation on the loop; `on_end` is called once, not by our own `close`."""

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[Line, Message], None],
        on_end: Callable[[Line], None],
    ) -> None:
        sock.setblocking(False)
        self.pid, _ = peer(sock)
        self._sock = sock
        self._loop = loop
        self._on_message = on_message
        self._on_end = on_end
        self._unsent: deque[tuple[Message, Sequence[int]]] = deque()
        self.is_open = True
        loop.add_reader(sock, self._read)

    def say(self, message: Message, descriptors: Sequence[int] = ()) -> bool:
        """Send a message, in order; False when nobody hears it, and then the line has ended."""
        if self.is_open:
            self._unsent.append((message, descriptors))
            if len(self._unsent) == 1:
                self._send_on()
            elif len(self._unsent) > MOST_UNSENT:
                self._end()
        return self.is_open

    def close(self) -> None:
        """Hear and say nothing any more; idempotent."""
        if self.is_open:
            self.is_open = False
            self._unsent.clear()
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()

    def _send_on(self) -> None:
        """Send what waits; the rest when there is room again."""
        try:
            while self._unsent:
                send(self._sock, *self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            self._loop.add_writer(self._sock, self._send_on)
        except OSError:
            self._end()
        else:
            self._loop.remove_writer(self._sock)

    def _read(self) -> None:
        try:
            message, descriptors = receive(self._sock)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ValueError):
            self._end()
            return
        for descriptor in descriptors:  # nobody gives us any here
            os.close(descriptor)
        self._on_message(self, message)

    def _end(self) -> None:
        if self.is_open:
            self.close()
            self._on_end(self)


def _address(directory: int) -> str:
    """Return a path that is short, however long that of the directory is: there is a limit."""
    return f"/proc/self/fd/{directory}/{FILE_NAME}"
