"""`keepline simulate`: the gateway's own code in virtual time, with faults that a seed decides."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from keepline.clock import SystemClock

if TYPE_CHECKING:
    from keepline.simulation.run import Result
    from keepline.simulation.world import Mix

FirstSeed = Annotated[int, typer.Option(min=0, help="Decides everything that happens.")]
Seeds = Annotated[int, typer.Option(min=1, help="How many: this one and those that follow it.")]
Devices = Annotated[int | None, typer.Option(min=1, max=100_000, help="Simulated devices.")]
Hours = Annotated[float | None, typer.Option(min=0.01, max=1_000, help="Of virtual time.")]
FaultRate = Annotated[
    float | None, typer.Option(min=0, max=3_600, help="Faults of each device in an hour.")
]
TalkShare = Annotated[
    float | None, typer.Option(min=0, max=0.9, help="The share of the time a device talks.")
]
Rough = Annotated[
    bool,
    typer.Option(
        "--rough",
        help="Small limits, failing applications, segments cut in two, and 40 faults an hour.",
    ),
]
Lines = Annotated[int, typer.Option(min=0, max=400, help="Of the trace, when something is found.")]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON object for each seed, in lines.")]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(simulate)


def simulate(
    *,
    seed: FirstSeed = 1,
    seeds: Seeds = 1,
    devices: Devices = None,
    hours: Hours = None,
    faults: FaultRate = None,
    talk: TalkShare = None,
    rough: Rough = False,
    trace: Lines = 40,
    as_json: AsJson = False,
) -> None:
    """Simulate gateway, devices, network and faults in virtual time, and check what must hold.

    Exit status 1: something did not hold. The same seed with the same options finds it again.
    """
    # `keepline version` need not wait for these.
    from keepline.simulation.run import simulate as run  # noqa: PLC0415
    from keepline.simulation.world import LIFE, ROUGH  # noqa: PLC0415

    given = {"devices": devices, "hours": hours, "faults": faults, "talk": talk}
    chosen = {name: value for name, value in given.items() if value is not None}
    mix = replace(ROUGH if rough else LIFE, **chosen)  # type: ignore[arg-type]
    cpu = SystemClock().cpu
    results = []
    with _progress() as progress:
        task = progress.add_task("", total=seeds)
        for number in range(seeds):
            progress.update(task, description=f"seed {seed + number}")

            def show(share: float, done: int = number) -> None:
                progress.update(task, completed=done + share)

            result = run(seed + number, mix, cpu, on_progress=show, lines=trace)
            progress.update(task, completed=number + 1)
            results.append(result)
            if as_json:
                typer.echo(json.dumps(result.as_json()))
    if not as_json:
        tell(results, mix, rough=rough)
    raise typer.Exit(1 if any(result.violation for result in results) else 0)


def tell(results: list[Result], mix: Mix, *, rough: bool, console: Console | None = None) -> None:
    """Print what became of each seed, and how to see again what was found."""
    console = console or Console(soft_wrap=True, highlight=False)
    table = Table(
        *("seed", "steps", "device-hours", "faults", "sessions", "deaths noticed", "p95", "trace"),
        "",
        box=None,
        header_style="dim",
    )
    for column in table.columns[:-1]:
        column.justify = "right"
    for result in results:
        table.add_row(*_cells(result))
    console.print(table)
    hours, cpu_s = sum(each.device_hours for each in results), sum(each.cpu_s for each in results)
    frames = sum(each.frames for each in results)
    console.print(
        f"\n{hours:.1f} device-hours and {frames:,} audio frames in {cpu_s:.1f} s of CPU:"
        f" {hours / max(cpu_s, 1e-9):.0f} device-hours per CPU second"
    )
    for result in results:
        if result.violation is not None:
            console.print(Text.assemble(("\nfound: ", "bold red"), str(result.violation)))
            console.print(f"in step {result.step} of seed {result.seed}, after:")
            for line in result.trace:
                console.print(Text(line))
            console.print(f"again: {_command(result.seed, mix, rough=rough)}")


def _cells(result: Result) -> tuple[str | Text, ...]:
    p95_s = result.detection.p95_s
    verdict = Text("held", "green") if result.violation is None else Text("FOUND", "bold red")
    return (
        str(result.seed),
        f"{result.step:,}",
        f"{result.device_hours:.1f}",
        str(result.faults),
        str(result.counts["sessions"]),
        str(result.detection.count),
        "-" if p95_s is None else f"{p95_s:.1f} s",
        f"{result.trace_hash:08x}",
        verdict,
    )


def _command(seed: int, mix: Mix, *, rough: bool) -> str:
    flags = " --rough" if rough else ""
    return (
        f"keepline simulate --seed {seed}{flags} --devices {mix.devices} --hours {mix.hours:g}"
        f" --faults {mix.faults:g} --talk {mix.talk:g}"
    )


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
