"""Where devices and operators connect."""

from __future__ import annotations

from typing import Annotated, Final

from annotated_types import Ge, Gt, Le
from pydantic import Field

from keepline.settings.section import Count, Port, Section, Token

MOST_WORKERS: Final = 32


class Server(Section):
    """Where devices connect, and how many. Port 0 lets the system choose one.

    `workers` processes share both ports, and every limit is one worker's.
    `host` is an address or a name, or several with commas between them; `::` is IPv6 and IPv4.
    `max_admissions` bounds the handshakes under way, apart from `max_connections`.
    `connections_per_address`, of these `handshakes_per_address` that are not upgraded yet, and
    `accepts_per_address_per_s` (at once five times that) bound what one IPv4 address or one IPv6
    /64 network may take; this machine itself is not bounded.
    `kernel_timeout_s` is how long sent bytes may stay unacknowledged before the kernel gives a
    connection up (TCP_USER_TIMEOUT); not used for what comes through a trusted proxy, whose
    acknowledgements are its own, and None for nobody.
    """

    host: str = "127.0.0.1"
    port: Port = 8_000
    workers: Annotated[int, Ge(1), Le(MOST_WORKERS)] = 1
    max_connections: Count = 15_000
    max_admissions: Count = 4_096
    connections_per_address: Count | None = 4_096
    handshakes_per_address: Count | None = 256
    accepts_per_address_per_s: Count | None = 200
    kernel_timeout_s: Annotated[float, Gt(0), Le(86_400)] | None = 30.0
    backlog: Annotated[int, Gt(0), Le(65_535)] = 4_096


class Admin(Section):
    """Where operators look and act, and the `token` they show.

    Without a token only this machine may connect, so `host` must be loopback then.
    """

    host: str = "127.0.0.1"
    port: Port = 8_001
    token: Token | None = Field(default=None, repr=False)
