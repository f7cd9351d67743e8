"""Where devices and operators connect."""

from __future__ import annotations

from pydantic import Field

from keepline.settings.section import Count, Port, Seconds, Section, Token


class Server(Section):
    """Where devices connect, and how many. Port 0 lets the system choose one.

    `max_admissions` bounds the handshakes under way, apart from `max_connections`.
    `kernel_timeout_s` is how long sent bytes may stay unacknowledged before the kernel gives a
    connection up (TCP_USER_TIMEOUT); None behind a proxy, whose acknowledgements are its own.
    """

    host: str = "127.0.0.1"
    port: Port = 8_000
    max_connections: Count = 15_000
    max_admissions: Count = 4_096
    kernel_timeout_s: Seconds | None = 30.0
    backlog: Count = 4_096


class Admin(Section):
    """Where operators look and act, and the `token` they show.

    Without a token only this machine may connect, so `host` must be loopback then.
    """

    host: str = "127.0.0.1"
    port: Port = 8_001
    token: Token | None = Field(default=None, repr=False)
