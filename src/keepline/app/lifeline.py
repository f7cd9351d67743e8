"""A process whose life hangs on another's: by a pipe that ends with that one, whatever ends it."""

from __future__ import annotations

import os
import signal
import threading


def hang_on(lifeline: int) -> None:
    """Tell this process to stop when the pipe of which `lifeline` is the reading end has ended."""
    os.set_inheritable(lifeline, False)
    threading.Thread(target=_stop_at_its_end, args=(lifeline,), daemon=True).start()


def _stop_at_its_end(lifeline: int) -> None:
    os.read(lifeline, 1)  # nothing is ever written
    os.kill(os.getpid(), signal.SIGTERM)
