"""What `keepline demo` shows: where to connect, and what the simulated devices are doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from keepline.cli.welcome import welcome

if TYPE_CHECKING:
    from keepline.app.gateway import Gateway
    from keepline.fleet.report import Report

ROWS_PER_HEAD = 20
SHARED = (
    "They live in this process: what they take of its CPU and memory is shown, and counted by"
    " `keepline capacity`, as the gateway's own.\n"
)
_COLUMNS = ("time", "connected", "talking", "conversations", "audio sent", "heard", "pongs", "died")


class DemoScreen:
    """Prints the welcome once, then a row whenever the numbers have moved."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)
        self._rows = 0
        self._last: tuple[str, ...] = ()

    def announce(self, gateway: Gateway) -> None:
        """Say where a device connects and with which token."""
        welcome(gateway, self._console, token=gateway.settings.auth.token)
        self._console.print("Simulated devices are talking to it. Ctrl-C ends it.")
        self._console.print(SHARED, style="dim")

    def show(self, report: Report) -> None:
        """Print a row for `report`, unless nothing has changed but the time."""
        counts = report.counts
        values = (
            str(report.connected),
            str(report.talking),
            str(counts.conversations),
            str(counts.frames_sent),
            str(counts.frames_heard),
            str(counts.pings_answered),
            str(counts.died),
        )
        if values == self._last:
            return
        self._last = values
        if self._rows % ROWS_PER_HEAD == 0:
            self._console.print(Text(_aligned(_COLUMNS), style="dim"))
        self._rows += 1
        self._console.print(_aligned((f"{report.elapsed_s:.0f} s", *values)))


def _aligned(cells: tuple[str, ...]) -> str:
    return "".join(f"{cell:>{len(head) + 3}}" for cell, head in zip(cells, _COLUMNS, strict=True))
