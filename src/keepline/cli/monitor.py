"""`keepline monitor`: how a gateway is, and how it was in the last hour."""

from __future__ import annotations

import json
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from keepline.cli.advice import advice
from keepline.cli.client import connect
from keepline.cli.measures import amount, sparkline
from keepline.cli.options import AdminUrl, Assignments, Config  # noqa: TC001 - typer reads them
from keepline.cli.screen import wide_screen
from keepline.cli.sentences import lasted
from keepline.log import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keepline.cli.client import AdminClient

POINTS = 40  # of a sparkline, which is an hour
ENDINGS_SHOWN = 8
LEAST_WIDTH = 110  # of the tables: a terminal breaks their lines, nothing is left out

ROWS = (
    ("memory", "memory_bytes", "memory_limit_bytes"),
    ("memory, shared in part", "memory_pss_bytes", None),
    ("CPU", "cpu_percent", None),
    ("  loop", "loop_cpu_percent", None),
    ("  hub", "hub_cpu_percent", None),
    ("  log", "log_cpu_percent", None),
    ("  other threads", "other_cpu_percent", None),
    ("descriptors", "descriptors", "descriptor_limit"),
    ("connections", "connections", None),
    ("  active", "active_connections", None),
    ("  talking", "talking_connections", None),
    ("  idle", "idle_connections", None),
    ("  suspicious", "suspicious_connections", None),
    ("  zombies", "zombie_connections", None),
    ("handshakes under way", "admissions", None),
    ("handshakes a second", "handshakes_per_s", None),
    ("  failed", "handshake_failures_per_s", None),
    ("disconnects a second", "disconnects_per_s", None),
    ("received a second", "received_bytes_per_s", None),
    ("sent a second", "sent_bytes_per_s", None),
    ("data frames a second", "frames_per_s", None),
    ("pings a second", "pings_per_s", None),
    ("loop lag, p95", "loop_lag_p95_s", None),
    ("loop lag, most", "loop_lag_max_s", None),
    ("round trip, p50", "rtt_p50_s", None),
    ("round trip, p95", "rtt_p95_s", None),
    ("waits for handlers", "inbox_depth", None),
    ("waits for devices", "outbox_depth", None),
    ("waits for the hub", "hub_depth", None),
    ("a write of the hub", "hub_latency_s", None),
    ("waits for the log", "log_depth", None),
)
"""What is called how, its gauge, and the gauge that limits it where there is one."""

Watch = Annotated[bool, typer.Option("--watch", help="Show it anew with each sample, to Ctrl-C.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="For programs: JSON instead of tables; a line a sample.")
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(monitor)


def monitor(
    *,
    watch: Watch = False,
    as_json: AsJson = False,
    admin_url: AdminUrl = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Tell how the gateway is: memory, CPU, queues, connections; its last hour, and who left."""
    with advice():
        client = connect(admin_url, config, assignments)
        if as_json:
            _print_json(client, watch=watch)
        elif watch:
            _watch(client)
        else:
            wide_screen(LEAST_WIDTH).print(_view(client, client.get("/api/monitor/summary")))


def _print_json(client: AdminClient, *, watch: bool) -> None:
    summary = client.get("/api/monitor/summary")
    typer.echo(json.dumps(summary, indent=None if watch else 2))
    pause = Event()
    while watch:
        pause.wait(summary["interval_s"])
        summary = client.get("/api/monitor/summary")
        typer.echo(json.dumps(summary))


def _watch(client: AdminClient) -> None:
    summary = client.get("/api/monitor/summary")
    pause = Event()
    with Live(_view(client, summary), console=wide_screen(LEAST_WIDTH), auto_refresh=False) as live:
        while True:
            pause.wait(summary["interval_s"])
            summary = client.get("/api/monitor/summary")
            live.update(_view(client, summary), refresh=True)


def _view(client: AdminClient, summary: dict[str, Any]) -> Group:
    """Return everything that is shown of a gateway."""
    if summary["at"] is None:
        wait_s = summary["interval_s"]
        return Group(Text(f"it has not looked at itself yet; it does so every {wait_s:g} s"))
    gauges = [gauge for _, gauge, _ in ROWS]
    past = client.get("/api/monitor/series", gauge=gauges, points=POINTS)["series"]
    parts: list[Any] = [_table_of_gauges(summary, past)]
    if summary["endings"]:
        parts += [Text(), _table_of_endings(summary["endings"][:ENDINGS_SHOWN])]
        parts += [Text(f"{100 * summary['unattributed']:.1f} % of all ended for no known cause")]
    return Group(*parts)


def _table_of_gauges(summary: dict[str, Any], past: dict[str, Any]) -> Table:
    averaged = lasted(summary["samples"] * summary["interval_s"])
    table = _table("", "now", f"mean of {averaged}", "limit", "last hour")
    for name, gauge, limit in ROWS:
        latest = summary["latest"]
        known = (latest.get(limit), summary["thresholds"].get(gauge))
        bound = min((each for each in known if each is not None), default=None)
        table.add_row(
            name,
            amount(gauge, latest.get(gauge)),
            amount(gauge, summary["averages"].get(gauge)),
            amount(gauge, bound) if bound is not None else "",
            sparkline(past[gauge]["mean"]) if gauge in past else "",
        )
    return table


def _table_of_endings(endings: Iterable[dict[str, Any]]) -> Table:
    table = _table("ended by", "cause", "since the start", "lately")
    for each in endings:
        table.add_row(
            clean(each["initiator"]), clean(each["cause"]), str(each["total"]), str(each["lately"])
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        is_number = 0 < number < len(columns) - 1
        table.add_column(column, no_wrap=True, justify="right" if is_number else "left")
    return table
