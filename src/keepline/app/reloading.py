"""`serve` again and again: a process that holds the socket starts another whenever code changes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import PythonFilter, watch

from keepline.app.lifeline import hang_on

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence
    from types import FrameType

    from watchfiles.main import FileChange

SOCKETS = "KEEPLINE_LISTEN_FDS"
"""The variable in which a process is told which listening sockets it was given."""

LIFELINE = "KEEPLINE_LIFELINE_FD"
"""The variable that names a pipe which ends with the process that holds the sockets."""

LOOK_MS = 100
IMPATIENCE_S = (5.0, 5.0, 1.0)
"""How long a process has to end after each signal: to stop, to hurry, to end at once."""


class Reloader:
    """Runs `command` in a process of its own, and anew when a Python file in `folder` changes.

    The process is given `sockets`, which stay open in between: who connects meanwhile waits. When
    it ends by itself, a change is waited for. SIGINT, SIGTERM and SIGHUP are passed on as SIGTERM,
    and end both. `tell` is called with what a person may want to know.
    """

    def __init__(
        self,
        command: Sequence[str],
        sockets: Sequence[socket.socket],
        folder: Path,
        tell: Callable[[str], None],
    ) -> None:
        self._command = command
        self._sockets = sockets
        self._folder = folder
        self._tell = tell
        self._lifeline, self._held = os.pipe()
        self._asked = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Serve until a signal ends it; return the exit status of the last process."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        changes_of = watch(
            self._folder,
            watch_filter=PythonFilter(),
            stop_event=self._asked,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        next(changes_of, None)  # from here on no change is missed
        self._start()
        for changes in changes_of:
            if changes and not self._asked.is_set():
                self._tell(f"{self._named(changes)} changed: starting again")
                self._end()
                self._start()
            elif not self._asked.is_set():
                self._look_after()
        status = 0 if self._process is None else self._process.wait()
        return 0 if status == -signal.SIGTERM else status  # it was told before it could listen

    def _start(self) -> None:
        if self._asked.is_set():
            return
        descriptors = [sock.fileno() for sock in self._sockets]
        self._process = subprocess.Popen(  # noqa: S603 (our own command line)
            self._command,
            env={
                **os.environ,
                SOCKETS: ",".join(map(str, descriptors)),
                LIFELINE: str(self._lifeline),
            },
            pass_fds=[*descriptors, self._lifeline],
            process_group=0,  # Ctrl-C reaches it through us, once
        )
        if self._asked.is_set():  # it was asked for just now, and found nobody to tell
            self._process.terminate()

    def _end(self) -> None:
        """End the process, with more and more insistence."""
        for wait_s in IMPATIENCE_S:
            if self._process is None:
                return
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(wait_s)
                self._process = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _look_after(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            status = self._process.returncode
            self._process = None
            self._tell(f"it ended with status {status}: waiting for a change")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._asked.set()
        if self._process is not None:
            self._process.terminate()

    def _named(self, changes: set[FileChange]) -> str:
        paths = sorted({Path(path) for _, path in changes})
        first = paths[0]
        if first.is_relative_to(self._folder):
            first = first.relative_to(self._folder)
        return str(first) if len(paths) == 1 else f"{first} and {len(paths) - 1} more"


def given_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the listening sockets that this process was given, and forget that it was.

    When the process that gave them is gone, whatever ended it, this one is told to stop.
    """
    if lifeline := environment.pop(LIFELINE, ""):
        hang_on(int(lifeline))
    given = environment.pop(SOCKETS, "")
    sockets = [socket.socket(fileno=int(number)) for number in given.split(",") if number]
    for sock in sockets:
        sock.set_inheritable(False)
    return sockets
