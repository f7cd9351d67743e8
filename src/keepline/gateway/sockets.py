"""What the kernel is asked and told about a device's socket."""

from __future__ import annotations

import errno
import ipaddress
import resource
import socket
import struct
from typing import TYPE_CHECKING

from keepline.errors import StartError
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    import asyncio

_LINGER_OFF = struct.pack("ii", 1, 0)
_TCP_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only
_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def local_url(scheme: str, host: str, port: int, path: str) -> str:
    """Return where somebody on this machine finds what listens on `host`."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (not bound to)
    return f"{scheme}://{bracketed(reached)}:{port}{path}"


def bracketed(host: str) -> str:
    """Return `host` as it stands in a URL: an IPv6 address has brackets there."""
    return f"[{host}]" if ":" in host else host


def allow_descriptors(wanted: int) -> int:
    """Raise this process's limit on open files to `wanted`; return what it has come to.

    Many systems start a process with 1,024, of which every connection takes one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (OSError, ValueError):  # macOS has a limit of its own beside the hard one
        return soft
    return target


def open_listener(
    host: str, port: int, backlog: int, kernel_timeout_s: float | None
) -> socket.socket:
    """Return a listening socket. Raises StartError that says what to do about it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(
            f"cannot listen on {host!r}: {error.strerror}", "give an address of this machine"
        ) from error
    try:
        _prepare(sock, kernel_timeout_s=kernel_timeout_s)
        sock.bind(address)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise StartError(
            f"cannot listen on {host}:{port}: {error.strerror}", _what_next(error, port)
        ) from error
    return sock


def abort(transport: asyncio.Transport, *, discard: bool) -> None:
    """Drop TCP now. `discard` what the kernel still holds, too: a dead peer never takes it."""
    sock = transport.get_extra_info("socket")
    if discard and sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
    transport.abort()


def peer_address(name: object) -> str:
    """Return the IP address in a socket name: IPv4 in IPv6 as IPv4, no scope; "" for no address."""
    if not isinstance(name, tuple):
        return ""
    address = str(name[0])
    if ":" not in address:
        return address
    ip = ipaddress.IPv6Address(address.partition("%")[0])
    return str(ip if ip.ipv4_mapped is None else ip.ipv4_mapped)


def reason_of_loss(error: Exception | None) -> CloseReason:
    """Tell who ended a TCP connection, from what the loop says of its loss."""
    if error is None:
        return CloseReason.DEVICE_CLOSED
    number = error.errno if isinstance(error, OSError) else None
    if number in _RESET:
        return CloseReason.DEVICE_RESET
    if number == errno.ETIMEDOUT or isinstance(error, TimeoutError):
        return CloseReason.NETWORK_TIMEOUT
    return CloseReason.NETWORK_LOST


def _prepare(sock: socket.socket, *, kernel_timeout_s: float | None) -> None:
    """Set what accepted sockets inherit, so that an accept costs no call for it.

    `kernel_timeout_s` bounds how long sent bytes may stay unacknowledged (None: the kernel's own
    many minutes). It is the second net under the heartbeat.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if kernel_timeout_s is not None and _TCP_USER_TIMEOUT is not None:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(kernel_timeout_s * 1000))


def _what_next(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"something else uses port {port}: stop it, or choose another port with --port"
    if error.errno == errno.EACCES:
        return "ports below 1024 need privileges: choose a higher one with --port"
    return "give an address of this machine with --host"
