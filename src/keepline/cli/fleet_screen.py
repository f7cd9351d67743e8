"""What `keepline fleet` shows on stderr while it runs, and its report at the end."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from keepline.cli.sentences import in_ms as _in_ms
from keepline.log import clean

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from keepline.fleet.histogram import Quantiles
    from keepline.fleet.report import Report

LINE_EVERY_S: Final = 5.0
MOST_CODES: Final = 10
_COLUMNS: Final = (
    "time",
    "connected",
    "talking",
    "per s",
    "hello p95",
    "rtt p95",
    "deaths",
    "ended",
)


class Screen(Protocol):
    """Shows progress; both are called from the run."""

    def show(self, report: Report) -> None: ...
    def tell_code(self, device_id: str, code: str) -> None: ...


@contextmanager
def make_screen(console: Console | None = None) -> Iterator[Screen]:
    """Show progress on stderr: a table that stays where it is, or lines where no terminal is."""
    console = console or Console(stderr=True, soft_wrap=True, highlight=False)
    if not console.is_terminal:
        yield Lines(console)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield LiveTable(live)


class Lines:
    """A line at the first progress, and then every five seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0.0
        self._last = _Last()
        self._codes = _Codes(console)
        self.tell_code = self._codes.tell

    def show(self, report: Report) -> None:
        """Print a line if its time has come."""
        if report.elapsed_s < self._next_s:
            return
        self._next_s = report.elapsed_s + LINE_EVERY_S - 0.5
        cells = zip(_COLUMNS, self._last.cells(report), strict=True)
        self._console.print("  ".join(f"{name} {value}" for name, value in cells))


class LiveTable:
    """One table with the numbers as they are now."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._last = _Last()
        self._codes = _Codes(live.console)
        self.tell_code = self._codes.tell

    def show(self, report: Report) -> None:
        """Renew the table."""
        table = Table(*_COLUMNS, box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column in table.columns:
            column.justify = "right"
        table.add_row(*self._last.cells(report))
        if report.is_slow:
            late = in_ms(report.lag.p99_s)
            table.caption = Text(f"this simulator is itself {late} late at p99", "yellow")
        self._live.update(table, refresh=True)


class _Last:
    """The report before, for what is told by the second."""

    def __init__(self) -> None:
        self._elapsed_s = 0.0
        self._hellos = 0

    def cells(self, report: Report) -> tuple[str, ...]:
        counts = report.counts
        passed_s = max(report.elapsed_s - self._elapsed_s, 0.001)
        per_s = (counts.hellos - self._hellos) / passed_s
        self._elapsed_s, self._hellos = report.elapsed_s, counts.hellos
        return (
            f"{report.elapsed_s:.0f} s",
            f"{report.connected}/{report.devices}",
            str(report.talking),
            f"{per_s:.0f}",
            in_ms(report.hello.p95_s),
            in_ms(report.rtt.p95_s),
            str(counts.died),
            str(counts.closed.total() + counts.lost),
        )


class _Codes:
    """Says who has to be approved; of a fleet only the first few."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = 0

    def tell(self, device_id: str, code: str) -> None:
        self._told += 1
        if self._told <= MOST_CODES:
            self._console.print(
                Text(f"{device_id} waits to be approved: keepline enrol approve {clean(code)}")
            )
        elif self._told == MOST_CODES + 1:
            self._console.print(Text("more wait: keepline enrol list"))


def tell(report: Report, console: Console | None = None) -> None:
    """Print the report at the end of a run, and what did not go well."""
    console = console or Console(soft_wrap=True, highlight=False)
    counts = report.counts
    facts = Table.grid(padding=(0, 3))
    for name, value in _facts(report):
        facts.add_row(Text(name, "dim"), Text(value))
    console.print(facts)
    times = Table("", "count", "p50", "p95", "p99", "most", box=None, header_style="dim")
    for column in times.columns[1:]:
        column.justify = "right"
    for name, known in _times(report):
        if known.count:
            marks = (known.p50_s, known.p95_s, known.p99_s, known.max_s)
            times.add_row(name, str(known.count), *(in_ms(each) for each in marks))
    console.print()
    console.print(times)
    console.print()
    if report.is_slow:
        console.print(Text("this simulator was late itself: run fewer devices in it", "yellow"))
    if counts.numbers_sent and not report.echoes_numbers:
        console.print("nobody said numbered messages back: no round trips, no losses counted")
    for problem in report.problems:
        console.print(Text.assemble(("problem: ", "bold red"), problem))
    for line in _advised(report):
        console.print(Text.assemble(("  → ", "bold"), line))
    if not report.problems:
        console.print(Text("all went well", "green"))


def _advised(report: Report) -> Iterator[str]:
    """Yield what to do about what kept devices from connecting."""
    refused = report.counts.refused
    if report.counts.failed["ECONNREFUSED"]:
        yield "nothing listens there: is the gateway running, and is this the port of its devices?"
    if refused[HTTPStatus.UNAUTHORIZED]:
        yield "give what devices show (auth.token) with --token, or let them ask with --ota"
    if refused[HTTPStatus.NOT_FOUND]:
        yield "is this the port of devices, and their path? as in ws://127.0.0.1:8000/xiaozhi/v1/"
    if refused[HTTPStatus.TOO_MANY_REQUESTS] or refused[HTTPStatus.SERVICE_UNAVAILABLE]:
        yield "the gateway's log says why (device_refused), `keepline governor` how pressed it is"


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    counts = report.counts
    connects = f"{counts.hellos} of {counts.connects} tried, {report.connect_per_s:.0f} per s"
    yield "time", f"{report.elapsed_s:.1f} s"
    yield "connected", f"{report.connected} of {report.devices}, {report.talking} talking"
    yield "connects", connects + _listed(" refused", counts.refused) + _listed("", counts.failed)
    answered = f"{counts.conversations}, {counts.turns_answered} turns answered"
    yield "conversations", f"{answered}, {counts.turns_unanswered} not, {counts.turns_cut} cut off"
    lost = f"{counts.frames_lost} lost" if report.echoes_audio else "no echo"
    yield "audio frames", f"{counts.frames_sent} sent, {counts.frames_heard} heard, {lost}"
    if counts.numbers_sent:
        losses = f"{counts.numbers_lost} lost, {counts.numbers_cut} cut off"
        heard = f"{counts.numbers_sent} sent, {counts.numbers_heard} heard"
        yield "messages", f"{heard}, {losses if report.echoes_numbers else 'no echo'}"
    if counts.receipts:
        again = f"{counts.said_again} said again, {counts.numbers_brought_back} brought back"
        yield "acknowledged", f"{counts.receipts}, {again}"
    if counts.outcomes:
        yield "found of itself", _listed("", counts.outcomes).lstrip(": ")
    ended = counts.closed.total() + counts.lost
    yield "ended by the server", f"{ended}{_listed('', counts.closed)}"
    if counts.faults:
        yield "faults", _listed("", counts.faults).lstrip(": ")
        yield "answered with", _listed("", counts.after_fault).lstrip(": ") or "nothing"
    if counts.died:
        judged = f"{counts.died}, {counts.verdicts.total()} noticed"
        ways = _listed("", counts.verdicts)
        yield "deaths", f"{judged}{ways}, {report.unjudged} not yet"
    share = report.cpu_s / report.elapsed_s if report.elapsed_s else 0.0
    yield "simulator", f"{share:.0%} of a core"


def _times(report: Report) -> Iterator[tuple[str, Quantiles]]:
    yield "until the 101", report.upgrade
    yield "until the hello", report.hello
    yield "until the first audio", report.first_audio
    yield "round trip of a message", report.rtt
    for state, verdict in report.verdicts.items():
        yield f"death noticed, {state}", verdict
    yield "simulator late", report.lag


def in_ms(seconds: float | None) -> str:
    """Return a duration as it is read at a glance, and a dash for none."""
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds >= 1 else _in_ms(seconds)


def _listed(head: str, counter: Counter[Any]) -> str:
    if not counter:
        return ""
    told = ", ".join(f"{key} {count}" for key, count in counter.most_common())
    return f"{head}: {told}"
