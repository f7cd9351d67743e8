"""Structured logs: one line per event, JSON for machines and columns for people.

Whatever a peer can write is escaped and capped, secrets are hidden, and a storm of one event is
folded into a count. Nothing here is global: `app` makes one `Log` and hands it down.
"""

from __future__ import annotations

import re
import traceback
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast

import structlog
from structlog.dev import plain_traceback

from keepline.log.writer import Writer
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import FilteringBoundLogger

    from keepline.clock import Clock

Level = Literal["debug", "info", "warning", "error"]
Style = Literal["auto", "json", "console"]

TEXT_CAP = 200  # characters of one value
TRACEBACK_CAP = 4_000  # characters, from the end
FOLD_WINDOW_S = 1.0
HIDDEN = "[hidden]"

_RANK: dict[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRET_KEY = re.compile(r"token|authorization|secret|password", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(bearer(?:\s|\+|%20)+|(?:token|authorization|secret|password)=)[^\s&\"',;]+", re.IGNORECASE
)
# Control characters (ESC starts a terminal sequence, a newline forges a line), separators of lines
# and paragraphs, characters that turn the direction of writing, lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]",
)


class Log:
    """Writes events. The name of an event is a constant of ours, never anything from outside.

    More than `fold_per_s` of one event in a second are counted instead of written, and reported
    by one `events_folded` line afterwards: at that event's next line or at `flush`, which its
    owner calls about once a second. `secrets` are hidden wherever they occur.

    From `start` to `stop` a thread does the writing. Lines beyond what may wait for it are lost,
    counted in `lost`, and reported by one `lines_lost` line when there is room again.

    A `worker` is named in each line: several write to one stream.
    """

    __slots__ = (
        "_clock",
        "_fold_per_s",
        "_lines",
        "_secrets",
        "_threshold",
        "_told_lost",
        "_windows",
        "_worker",
        "_writer",
        "lost",
    )

    def __init__(
        self,
        stream: TextIO | None,
        clock: Clock,
        *,
        level: Level = "info",
        style: Style = "auto",
        fold_per_s: int = 20,
        secrets: tuple[str, ...] = (),
        buffer_lines: int = 4_096,
        buffer_bytes: int = 1_048_576,
        worker: int | None = None,
    ) -> None:
        self._clock = clock
        self._worker = worker
        self._fold_per_s = fold_per_s
        self._secrets = secrets
        self._threshold = _RANK[level]
        self._windows: dict[str, _Window] = {}
        self._writer = Writer(stream, most_lines=buffer_lines, most_bytes=buffer_bytes)
        self._lines: FilteringBoundLogger = structlog.wrap_logger(
            structlog.WriteLogger(cast("TextIO", self._writer)),
            processors=[structlog.stdlib.add_log_level, self._prepare, _renderer(stream, style)],
            wrapper_class=structlog.make_filtering_bound_logger(0),
        )
        self.lost = 0  # lines that could not be written
        self._told_lost = 0

    @property
    def waiting(self) -> int:
        """How many lines wait to be written."""
        return self._writer.waiting_lines

    @property
    def waiting_bytes(self) -> int:
        """What they take."""
        return self._writer.waiting_bytes

    def start(self) -> None:
        """Write from a thread from now on: a reader who does not read holds nobody up."""
        self._writer.start()

    def stop(self, within_s: float) -> None:
        """Write what waits, as far as it is read within that time; later lines are lost."""
        self._writer.stop(within_s)

    def debug(self, event: str, /, **fields: object) -> None:
        """Log what only matters while looking for a fault."""
        self._log("debug", event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Log the normal course of things."""
        self._log("info", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Log what an operator should look at some day."""
        self._log("warning", event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Log a failure of ours; an exception among the fields brings its traceback along."""
        self._log("error", event, fields)

    def flush(self) -> None:
        """Report the storms that are over, and what was lost."""
        self._report_lost()
        self._report_begun_by(self._clock.now() - FOLD_WINDOW_S)

    def flush_all(self) -> None:
        """Report every storm, also those still under way: nothing will come to report them."""
        self._report_begun_by(self._clock.now())

    def _report_begun_by(self, past: float) -> None:
        windows = list(self._windows.items())  # another thread may log meanwhile
        for event in [event for event, window in windows if window.start <= past]:
            self._report(event, self._windows.pop(event))

    def _log(self, level: Level, event: str, fields: dict[str, object]) -> None:
        if _RANK[level] < self._threshold:
            return
        now = self._clock.now()
        window = self._windows.get(event)
        if window is None or now - window.start >= FOLD_WINDOW_S:
            if window is not None:
                self._report(event, window)
            window = self._windows[event] = _Window(now)
        window.count += 1
        if window.count <= self._fold_per_s:
            self._emit(level, event, fields)

    def _report(self, event: str, window: _Window) -> None:
        folded = window.count - self._fold_per_s
        if folded > 0:
            self._emit("warning", "events_folded", {"folded_event": event, "count": folded})

    def _emit(self, level: Level, event: str, fields: dict[str, object]) -> None:
        self._report_lost()
        if not self._is_written(level, event, fields):
            self.lost += 1

    def _report_lost(self) -> None:
        lost = self.lost
        if lost > self._told_lost and self._is_written(
            "warning", "lines_lost", {"count": lost - self._told_lost}
        ):
            self._told_lost = lost

    def _is_written(self, level: Level, event: str, fields: dict[str, object]) -> bool:
        if not self._writer.takes_lines:
            return False
        try:
            self._lines.log(_RANK[level], event, fields=fields)
        except Exception:  # noqa: BLE001 - a line that cannot be written costs nobody a connection
            return False
        return True

    def _prepare(self, _logger: object, _name: str, line: MutableMapping[str, Any]) -> Any:
        """Make a line of safe values (a structlog processor)."""
        # An aware time asks its zone, by a name that Python makes anew each time and then keeps
        # among a few thousand for quick look-ups: of a crowd's memory, a page for each.
        moment = datetime.fromtimestamp(self._clock.wall(), UTC).replace(tzinfo=None)
        ready: dict[str, object] = {
            "timestamp": f"{moment.isoformat(timespec='milliseconds')}Z",
            "level": line["level"],
            "event": line["event"],
        }
        if self._worker is not None:
            ready["worker"] = self._worker
        for name, value in line["fields"].items():
            key = f"{name}_" if name in ready else name
            if _SECRET_KEY.search(name):
                ready[key] = HIDDEN
            else:
                ready[key] = self._safe(value)
            if isinstance(value, BaseException):
                ready["exception"] = self._traceback(value)
        return ready

    def _safe(self, value: object) -> object:
        match value:
            case None | bool() | int():
                return value
            case float():
                return round(value, 6)
            case CloseReason():
                return value.cause
            case Enum():
                return clean(str(value.value))
            case bytes():
                text = value[: TEXT_CAP * 4].decode("utf-8", "backslashreplace")
            case str():
                text = value
            case BaseException():
                text = f"{type(value).__name__}: {value}"
            case _:
                text = repr(value)
        return clean(self._hide(text[: TEXT_CAP * 4]))

    def _traceback(self, error: BaseException) -> str:
        # Without local variables: they hold tokens and what people said.
        # Hidden before it is cut: half a secret would not be recognised.
        text = self._hide("".join(traceback.format_exception(error)))[-TRACEBACK_CAP:]
        return "\n".join(_UNSAFE.sub(_escape, line) for line in text.splitlines())

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _SECRET_TEXT.sub(_hidden, text)


class _Window:
    """How often one event was logged since `start`."""

    __slots__ = ("count", "start")

    def __init__(self, start: float) -> None:
        self.start = start
        self.count = 0


def clean(text: str) -> str:
    r"""Return text that is safe on a terminal: unsafe characters as `\x1b`, cut at `TEXT_CAP`."""
    kept = text if len(text) <= TEXT_CAP else f"{text[:TEXT_CAP]}…"
    return _UNSAFE.sub(_escape, kept)


def _hidden(secret: re.Match[str]) -> str:
    # A function: a template has Python keep names as an aware time does.
    return f"{secret[1]}{HIDDEN}"


def _escape(unsafe: re.Match[str]) -> str:
    return unsafe[0].encode("unicode_escape").decode("ascii")


def _renderer(stream: TextIO | None, style: Style) -> structlog.typing.Processor:
    terminal = stream is not None and stream.isatty()
    if style == "json" or (style == "auto" and not terminal):
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=terminal, sort_keys=False, exception_formatter=plain_traceback
    )
