"""The process that is to take over: how it is started, and ended where it cannot."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

from keepline.app.estate import INHERITS
from keepline.errors import StartError

LOOK_S: Final = 0.05
LAST_LOOKS: Final = 100  # five seconds to end by itself, before it is killed


class HeirProcess:
    """A child process with our standard streams, environment and directory. Raises StartError."""

    def __init__(self, command: list[str]) -> None:
        environment = {**os.environ, INHERITS: "1"}
        try:
            # Our own descriptors are closed on exec, so none of thousands has to be closed here.
            self.pid = os.posix_spawnp(command[0], command, environment, setsigmask=())
        except OSError as error:
            raise StartError(
                f"cannot start {command[0]}: {error.strerror}",
                "--exec takes a program that the gateway's user may run",
            ) from error
        self._status: int | None = None

    def status(self) -> int | None:
        """Return the exit status of a process that has ended, below 0 by a signal, else None."""
        if self._status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    async def end(self) -> None:
        """Have it stop, and see that it does."""
        for look in range(LAST_LOOKS + 1):
            if self.status() is not None:
                return
            if look in {0, LAST_LOOKS}:
                os.kill(self.pid, signal.SIGKILL if look else signal.SIGTERM)
            await asyncio.sleep(LOOK_S)
        self.status()


def command_line(program: str | None) -> list[str]:
    """Return how this process was started, with another `program` if one is given.

    A script that was started by its name is started so again: behind that name may be a newer one,
    with an interpreter of its own.
    """
    if program is not None:
        return [program, *sys.argv[1:]]
    script = Path(sys.argv[0])
    if script.suffix != ".py" and os.access(script, os.X_OK) and script.is_file():
        return [str(script), *sys.argv[1:]]
    return list(sys.orig_argv)
