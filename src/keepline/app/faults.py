"""What nobody caught becomes a line of our log, wherever it was raised; never a raw traceback."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from keepline.gateway.isolation.faults import Faults
    from keepline.log import Log


def log_faults(loop: asyncio.AbstractEventLoop, log: Log, faults: Faults) -> None:
    """Tell and count what is left of callbacks, tasks, threads and finalizers as `task_failed`.

    For a process of our own: it takes Python's own hooks.
    """

    def on_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        where = context.get("task") or context.get("future") or context.get("handle")
        tell(context.get("exception"), where, context.get("message"))

    def on_thread(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_type is SystemExit:
            return
        later(failure.exc_value, None if failure.thread is None else failure.thread.name)

    def on_finalizer(failure: sys.UnraisableHookArgs) -> None:
        # Its object may be half gone already: its type says enough.
        later(failure.exc_value, type(failure.object).__name__, failure.err_msg)

    def tell(error: BaseException | None, where: object, detail: object = None) -> None:
        known = {"where": where, "detail": detail}
        fields = {name: value for name, value in known.items() if value}
        if error is None:
            log.error("task_failed", **fields)
        else:
            faults.of_ours(error, "task_failed", "", **fields)

    def later(error: BaseException | None, where: object, detail: object = None) -> None:
        # A thread is no place to log from, nor is a finalizer, which may run within a log line.
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            loop.call_soon_threadsafe(tell, error, where, detail)

    loop.set_exception_handler(on_loop)
    threading.excepthook = on_thread
    sys.unraisablehook = on_finalizer
