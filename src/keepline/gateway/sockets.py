"""What the kernel is asked and told about a device's socket."""

from __future__ import annotations

import errno
import ipaddress
import resource
import socket
import struct
from typing import TYPE_CHECKING, Any

from keepline.errors import StartError

if TYPE_CHECKING:
    import asyncio

    from keepline.settings import Settings

_LINGER_OFF = struct.pack("ii", 1, 0)
_TCP_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only
_ANY_IPV4 = "0.0.0.0"  # noqa: S104 (looked for, not bound to)
_LACKING = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to `host`, or to all of `host, another`."""
    if "," in host:
        return all(is_loopback(part.strip()) for part in host.split(","))
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def only_this_machine(settings: Settings) -> bool:
    """Return whether nobody else can connect: a proxy in front brings others to a loopback port."""
    return is_loopback(settings.server.host) and settings.proxy.header == "none"


def local_url(scheme: str, host: str, port: int, path: str) -> str:
    """Return where somebody on this machine finds what listens on `host`, the first of several."""
    first = host.partition(",")[0].strip()
    host = host.partition(",")[0].strip()
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(first, first)  # noqa: S104 (not bound to)
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
    """Return one listening socket. Raises StartError that says what to do about it."""
    first, *others = open_listeners(host, port, backlog, kernel_timeout_s)
    for other in others:
        other.close()
    return first


def open_listeners(
    hosts: str, port: int, backlog: int, kernel_timeout_s: float | None
) -> list[socket.socket]:
    """Return a listening socket for each address of `hosts`: names and addresses with commas.

    Port 0 is chosen once, for all. Of a name's addresses those that this machine lacks are left
    out, so that `localhost` works without IPv6. Raises StartError; then nothing is open.
    """
    dual = _ANY_IPV4 not in hosts
    opened: list[socket.socket] = []
    try:
        for host in hosts.split(","):
            found = _listen_on(host.strip(), port, backlog, kernel_timeout_s, dual=dual)
            opened += found
            port = found[0].getsockname()[1]
    except BaseException:
        for sock in opened:
            sock.close()
        raise
    return opened


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


def end_output(transport: asyncio.Transport) -> None:
    """End our side only, when everything is written.

    Closing over bytes still unread would reset the connection, and the peer would lose what we
    said last. Under TLS the transport's own `close` does that: it says goodbye, throws away what
    still comes, and waits for the peer's goodbye.
    """
    if transport.is_closing():
        return
    if transport.can_write_eof():
        transport.write_eof()
    else:
        transport.close()


def set_kernel_timeout(sock: socket.socket, timeout_s: float | None) -> None:
    """Bound how long sent bytes may stay unacknowledged; None: the kernel's own many minutes.

    It is the second net under the heartbeat.
    """
    if _TCP_USER_TIMEOUT is not None:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int((timeout_s or 0) * 1000))


def adopt(sock: socket.socket, kernel_timeout_s: float | None) -> None:
    """Have a listening socket that somebody else opened be as our own are."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    set_kernel_timeout(sock, kernel_timeout_s)


def _listen_on(
    host: str, port: int, backlog: int, kernel_timeout_s: float | None, *, dual: bool
) -> list[socket.socket]:
    opened: list[socket.socket] = []
    failed: OSError | None = None
    for family, address in _addresses(host, port):
        sock = None
        try:
            sock = _listener(family, kernel_timeout_s, dual=dual)
            sock.bind((address[0], port, *address[2:]))
            sock.listen(backlog)
        except OSError as error:
            if sock is not None:
                sock.close()
            if failed is None or error.errno not in _LACKING:
                failed = error
        else:
            opened.append(sock)
            port = sock.getsockname()[1]
    if failed is not None and (not opened or failed.errno not in _LACKING):
        for sock in opened:
            sock.close()
        problem = f"cannot listen on {bracketed(host)}:{port}: {failed.strerror}"
        raise StartError(problem, _what_next(failed, port)) from failed
    return opened


def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    """Return family and socket address of what a host is known as. Raises StartError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise StartError(
            f"cannot listen on {host!r}: {error.strerror}", "give an address of this machine"
        ) from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _listener(family: int, kernel_timeout_s: float | None, *, dual: bool) -> socket.socket:
    """Return a socket with what accepted ones inherit, so that an accept costs no call for it."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if kernel_timeout_s is not None:
        set_kernel_timeout(sock, kernel_timeout_s)
    return sock


def _what_next(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"something else uses port {port}: stop it, or choose another port with --port"
    if error.errno == errno.EACCES:
        return "ports below 1024 need privileges: choose a higher one with --port"
    return "give an address of this machine with --host"
