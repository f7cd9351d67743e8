"""`python -m bench.memory`: where the bytes of one idle session go, by line and by type."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.candidates import CANDIDATES, KEEPLINE, Candidate, Start
from bench.figures.life import IDLE_SLACK_S
from bench.plan import FULL
from bench.processes import Load, Server, loading, running
from bench.procfs import memory, raise_open_files_limit
from bench.readings import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    Holdings = dict[str, dict[str, list[int]]]

_WARM_UP = 20
_DUMP_WITHIN_S = 60.0
_SHOWN = 30


def show(
    candidate: Annotated[str, typer.Argument(help="Whose sessions.")] = KEEPLINE,
    sessions: Annotated[int, typer.Option(help="How many live at once.")] = 2000,
) -> None:
    """Trace a server's allocations while sessions live and go idle; print what one holds."""
    known = {one.name: one for one in CANDIDATES}
    if candidate not in known:
        raise typer.BadParameter(f"{candidate} is none of {', '.join(known)}")
    raise_open_files_limit()
    try:
        plain, traced = measure(known[candidate], sessions)
    except BenchError as error:
        print(f"failed: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    console = Console()
    rss_bytes = plain["rss"]["rss"][0] / sessions
    traced_bytes = sum(size for size, _ in traced["lines"].values()) / sessions
    console.print(
        f"{candidate}, {sessions} idle sessions: {rss_bytes:.0f} bytes of RSS each when not"
        f" traced; {traced_bytes:.0f} bytes of live allocations each"
    )
    console.print(_table("Allocated at", "blocks", traced["lines"], sessions))
    console.print(_table("Objects the collector tracks", "objects", traced["types"], sessions))


def measure(candidate: Candidate, sessions: int) -> tuple[Holdings, Holdings]:
    """What sessions hold in an ordinary process, and what tracing says they hold."""
    plain = _growth(candidate, sessions, lambda server: {"rss": _rss(server)})
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "holdings.json"
        traced = _growth(_traced(candidate, file), sessions, lambda server: _dump(server, file))
    return plain, traced


def _growth(candidate: Candidate, sessions: int, look: Callable[[Server], Holdings]) -> Holdings:
    """What `look` sees more of after `sessions` have come, talked and gone idle."""
    paces = {"interval_s": FULL.ping_interval_s, "idle_after_s": FULL.idle_after_s}
    with running(candidate, **paces) as server, loading(server) as load:
        _live(load, _WARM_UP)
        load.order("leave", 10)
        time.sleep(1)
        look(server)  # the first look allocates for itself
        before = look(server)
        _live(load, sessions)
        after = look(server)
    return {kind: _more(before[kind], after[kind]) for kind in after}


def _more(before: dict[str, list[int]], after: dict[str, list[int]]) -> dict[str, list[int]]:
    nothing = [0, 0]
    return {
        name: [now - then for now, then in zip(held, before.get(name, nothing), strict=True)]
        for name, held in after.items()
    }


def _live(load: Load, sessions: int) -> None:
    load.connect(sessions)
    load.order("converse", 120, devices=sessions, frames=FULL.frames_each)
    time.sleep(FULL.idle_after_s + IDLE_SLACK_S + 2 * FULL.ping_interval_s)


def _traced(candidate: Candidate, file: Path) -> Candidate:
    def command(start: Start) -> list[str]:
        python, dash_m, *rest = candidate.command(start)
        return [python, dash_m, "bench.servers.traced", str(file), *rest]

    return replace(candidate, command=command)


def _rss(server: Server) -> dict[str, list[int]]:
    return {"rss": [memory(server.pid).rss_kib * 1024, 1]}


def _dump(server: Server, file: Path) -> Holdings:
    file.unlink(missing_ok=True)
    os.kill(server.pid, signal.SIGUSR1)
    deadline = time.monotonic() + _DUMP_WITHIN_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise BenchError(f"no answer to SIGUSR1 within {_DUMP_WITHIN_S:g} s")
        time.sleep(0.1)
    holdings: Holdings = json.loads(file.read_text())
    return holdings


def _table(title: str, unit: str, held: dict[str, list[int]], sessions: int) -> Table:
    table = Table(title=f"{title}, per session", title_justify="left")
    table.add_column("")
    table.add_column("bytes", justify="right")
    table.add_column(unit, justify="right")
    for name, (size, count) in sorted(held.items(), key=lambda item: -item[1][0])[:_SHOWN]:
        if size >= sessions:
            table.add_row(name, f"{size / sessions:.0f}", f"{count / sessions:.2f}")
    return table


if __name__ == "__main__":
    typer.run(show)
