"""What a person at a terminal is told when a gateway runs: where devices connect, and as who."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import keepline
from keepline.gateway.paths import CONFIGURATION_PATH, DEVICE_PATH
from keepline.gateway.sockets import bracketed, local_url
from keepline.settings.server import Admin

if TYPE_CHECKING:
    from keepline.app.gateway import Gateway

SOMEWHERE = ("192.0.2.1", 9)  # kept for documentation (RFC 5737): nobody is there
ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 (not bound to)


def welcome(gateway: Gateway, console: Console | None = None, *, token: str | None = None) -> None:
    """Print where devices and operators connect. `token` is shown to everybody who looks."""
    console = console or Console(soft_wrap=True, highlight=False)
    host = reached_at(gateway.settings.server.host)
    place = f"{bracketed(host)}:{gateway.port}"
    scheme = gateway.url.partition("://")[0]
    facts = Table.grid(padding=(0, 3))
    facts.add_row(
        "  devices connect at", f"[bold cyan]{escape(f'{scheme}://{place}{DEVICE_PATH}/')}[/]"
    )
    if token is not None:
        facts.add_row("  with the token", f"[bold]{escape(token)}[/]")
    configuration = f"{scheme.replace('ws', 'http')}://{place}{CONFIGURATION_PATH}/"
    facts.add_row("  configuration", escape(configuration))
    if gateway.admin_port is not None:
        admin = local_url("http", gateway.settings.admin.host, gateway.admin_port, "")
        facts.add_row("  dashboard", f"[bold cyan]{escape(admin)}/[/]")
        facts.add_row("  health and metrics", f"{escape(admin)}/healthz  /readyz  /metrics")
        if _may_wait(gateway):
            elsewhere = "" if gateway.admin_port == Admin().port else f" --admin-url {admin}"
            facts.add_row("  who waits", escape(f"keepline enrol list{elsewhere}"))
    console.print(f"\n[bold green]Keepline {keepline.__version__}[/] is running.\n")
    console.print(facts)
    console.print()


def _may_wait(gateway: Gateway) -> bool:
    """Return whether devices may have to be approved here."""
    enrolment = gateway.node.enrolment
    return enrolment is not None and enrolment.policy is not None and enrolment.policy.activates


def reached_at(host: str) -> str:
    """Return where devices reach what listens on `host`, the first of several.

    For every address of this machine it is the one by which it goes out, as far as it is known.
    """
    first = host.partition(",")[0].strip()
    if first not in ANYWHERE:
        return first
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        try:
            out.connect(SOMEWHERE)  # sends nothing: it only looks for a way
            found = out.getsockname()[0]
        except OSError:
            return socket.gethostname()
    return socket.gethostname() if ipaddress.ip_address(found).is_unspecified else str(found)
