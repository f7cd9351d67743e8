"""What nobody caught becomes a line of our log, wherever it was raised; never a raw traceback."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from keepline.log import Log


def log_faults(loop: asyncio.AbstractEventLoop, log: Log) -> None:
    """Log what is left of callbacks, tasks, threads and finalizers as `task_failed`.

    For a process of our own: it takes Python's own hooks.
    """

    def on_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        where = context.get("task") or context.get("future") or context.get("handle")
        fields = {"detail": context.get("message"), "where": where, "error": error}
        log.error("task_failed", **{name: value for name, value in fields.items() if value})

    def on_thread(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_type is SystemExit:
            return
        name = None if failure.thread is None else failure.thread.name
        later("task_failed", where=name, error=failure.exc_value)

    def on_finalizer(failure: sys.UnraisableHookArgs) -> None:
        # Its object may be half gone already: its type says enough.
        where = type(failure.object).__name__
        later("task_failed", detail=failure.err_msg, where=where, error=failure.exc_value)

    def later(event: str, **fields: object) -> None:
        # A thread is no place to log from, nor is a finalizer, which may run within a log line.
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            loop.call_soon_threadsafe(lambda: log.error(event, **fields))

    loop.set_exception_handler(on_loop)
    threading.excepthook = on_thread
    sys.unraisablehook = on_finalizer
