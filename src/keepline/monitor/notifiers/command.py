"""Alerts for a command: it is run with each, one at a time, without a shell."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from keepline.errors import StartError
from keepline.monitor.notifiers.notice_queue import NoticeQueue
from keepline.monitor.notifiers.words import document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keepline.log import Log
    from keepline.monitor.alerts.alert import Notice


class Command:
    """Gives each notice to a new process as JSON on its standard input.

    The process has no output, our environment without our own settings, and `timeout_s`; then it
    is killed with all that it has begun. Raises StartError for a command that is not there.
    """

    def __init__(self, argv: Sequence[str], *, node: str, timeout_s: float, log: Log) -> None:
        program = shutil.which(argv[0])
        if program is None:
            raise StartError(
                f"alerts.command: there is no {argv[0]} that can be run",
                "give the path of a program, and its arguments",
            )
        self._argv = (program, *argv[1:])
        self._node = node
        self._queue = NoticeQueue("command", self._run, timeout_s=timeout_s, log=log)

    def tell(self, notice: Notice) -> None:
        """Have the command run, when it is its turn."""
        self._queue.put(notice)

    async def stop(self, within_s: float) -> None:
        """Let it finish within the time."""
        await self._queue.stop(within_s)

    async def _run(self, notice: Notice) -> None:
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=_without_ours(os.environ),
                start_new_session=True,
            )
        )
        try:
            process = await asyncio.shield(starting)
            await _give(process, document(notice, self._node) + b"\n")
            await process.wait()
        except asyncio.CancelledError:
            with suppress(OSError):  # it could not be started
                await _kill(await starting)  # it may have begun, and others with it
            raise
        if process.returncode:
            raise RuntimeError(f"it ended with status {process.returncode}")


async def _give(process: asyncio.subprocess.Process, data: bytes) -> None:
    """Write to its standard input and close that; whoever does not read it needs none of it."""
    assert process.stdin is not None, "it was asked for"
    # RuntimeError is what uvloop raises for a process that has ended by now.
    with suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        process.stdin.write(data)
        await process.stdin.drain()
    with suppress(RuntimeError):
        process.stdin.close()


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without our settings: there are secrets among them."""
    return {name: text for name, text in environment.items() if not name.startswith("KEEPLINE_")}
