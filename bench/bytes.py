"""`python -m bench.bytes`: where each byte of one idle session of Keepline goes, by part."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.candidates import CANDIDATES, KEEPLINE
from bench.memory import measure
from bench.procfs import raise_open_files_limit
from bench.readings import BenchError

if TYPE_CHECKING:
    from bench.memory import Holdings

PARTS = {
    "gateway/entrance.py": "transport of uvloop, with its handle and context",
    "python3.11/weakref.py": "the loop's list of transports",
    "gateway/door.py": "connection and lifecycle",
    "gateway/connection.py": "heartbeat",
    "gateway/node.py": "session and handler",
    "gateway/packed.py": "claim, session id, Client-Id",
    "wire/request_head.py": "Device-Id",
    "lifecycle/history.py": "history",
    "lifecycle/heartbeat.py": "round trips, first due time",
    "lifecycle/wheel.py": "place in the wheel",
    "gateway/registry.py": "registry",
    "hub/": "hub",
}
"""By where it is allocated: a part of the path."""

OTHERS = "all else that Python allocates"
UNTRACED = "not Python's: SQLite, rounding and holes of the allocator, page tables of threads"


def by_part(lines: dict[str, list[int]]) -> dict[str, int]:
    """Sum up bytes by part, in the order of `PARTS`."""
    sums = Counter(dict.fromkeys([*PARTS.values(), OTHERS], 0))
    for where, (size_bytes, _) in lines.items():
        sums[next((part for path, part in PARTS.items() if path in where), OTHERS)] += size_bytes
    return dict(sums)


def table_of(plain: Holdings, traced: Holdings, sessions: int) -> Table:
    """Return bytes and shares for one session; what remains of RSS is the last part."""
    rss_bytes = plain["rss"]["rss"][0]
    parts = by_part(traced["lines"])
    parts[UNTRACED] = rss_bytes - sum(parts.values())
    table = Table(title=f"One of {sessions} idle sessions", title_justify="left")
    table.add_column("part")
    table.add_column("bytes", justify="right")
    table.add_column("share", justify="right")
    for part, size_bytes in parts.items():
        table.add_row(part, f"{size_bytes / sessions:.0f}", f"{size_bytes / rss_bytes:.0%}")
    table.add_row("RSS", f"{rss_bytes / sessions:.0f}", "")
    return table


def show(
    sessions: Annotated[int, typer.Option(help="How many live at once.")] = 2000,
) -> None:
    """Print what one session of `keepline serve` takes, its hub on a file, and where."""
    raise_open_files_limit()
    keepline = next(one for one in CANDIDATES if one.name == KEEPLINE)
    try:
        plain, traced = measure(keepline, sessions)
    except BenchError as error:
        print(f"failed: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    Console(width=None if sys.stdout.isatty() else 100).print(table_of(plain, traced, sessions))


if __name__ == "__main__":
    typer.run(show)
