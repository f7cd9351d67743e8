"""What `keepline drain` shows: the plan as a table, the drain as a bar or as lines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


def tell_plan(plan: dict[str, Any], console: Console | None = None) -> None:
    """Print who leaves when, how they come back, how long it takes, and who is cut."""
    console = console or Console(soft_wrap=True, highlight=False)
    table = Table(
        *("wave", "devices", "stay away", "told when", "by itself", "cut"),
        box=None,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for wave in plan["waves"]:
        names = ("devices", "never", "told", "by_itself", "cut")
        table.add_row(wave["wave"], *(str(wave[name]) for name in names))
    console.print(table)
    console.print(
        f"{plan['devices']} devices leave within {plan['eta_s']:.1f} s,"
        f" at most {plan['rate_per_s']:.0f} arrive in a second"
    )
    talking = plan["waves"][-1]["devices"]
    if talking:
        console.print(
            f"{talking} are in a conversation: each has up to {plan['turn_s']:g} s for its turn"
        )
    if not plan["fits"]:
        cut = sum(wave["cut"] for wave in plan["waves"])
        console.print(
            Text(
                f"it does not fit: {cut} find no slot within {plan['wait_s']:g} s,"
                " and are closed together at the end",
                "bold yellow",
            )
        )


def words_for(told: dict[str, Any]) -> str:
    """Return how far a drain is, in a line."""
    parts = [told["phase"], f"{told['left']} left"]
    if told["talking"]:
        parts.append(f"{told['talking']} talking")
    if told["phase"] == "leaving" and told["rate"] < 1:
        parts.append(f"at {told['rate']:.0%} of the pace")
    if told["cut"]:
        parts.append(f"{told['cut']} cut")
    if told["eta_s"]:
        parts.append(f"{told['eta_s']:.0f} s at most")
    return ", ".join(parts)


class Bar:
    """A progress bar on stderr; without a terminal a line whenever something has changed."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, soft_wrap=True, highlight=False)
        columns = (BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
        self._progress = Progress(
            *columns,
            TextColumn("{task.description}", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._last = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, told: dict[str, Any]) -> None:
        """Show how far it is."""
        words = words_for(told)
        if not self._console.is_terminal:
            if words != self._last:
                self._console.print(Text(words))
            self._last = words
            return
        total = max(told["left"], told["plan"]["devices"] if told["plan"] else 0)
        if self._task is None:
            self._task = self._progress.add_task("", total=total)
        self._progress.update(
            self._task, total=total, completed=total - told["left"], description=words
        )


class Lines:
    """One JSON object a line, for programs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is left to be done."""

    def show(self, told: dict[str, Any]) -> None:
        """Print how far it is."""
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
