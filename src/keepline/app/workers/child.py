"""One process that we look after: started, told, awaited."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import TYPE_CHECKING

from keepline.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

READY = b"READY=1"
_LONGEST = 4_096


class Child:
    """A process of a session of its own: what a terminal sends to ours reaches it through us, once.

    It says that it is ready as to systemd, at a socket at `notices`. Raises StartError.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Sequence[int],
        notices: Path,
    ) -> None:
        self._command = command
        self._environment = {**environment, "NOTIFY_SOCKET": str(notices)}
        self._descriptors = descriptors
        self._notices = notices
        self._heard: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._unsent: list[signal.Signals] = []  # it had not been started yet
        self.is_ready = False

    @property
    def pid(self) -> int:
        """The process, 0 before it was started."""
        return 0 if self._process is None else self._process.pid

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Start it, and return its exit status once it has ended; below 0 when by a signal.

        `on_ready` is called once. Cancelled, it is killed.
        """
        loop = asyncio.get_running_loop()
        self._notices.unlink(missing_ok=True)
        self._heard = heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            heard.setblocking(False)
            heard.bind(str(self._notices))
            loop.add_reader(heard, self._hear, on_ready)
            return await self._run()
        finally:
            loop.remove_reader(heard)
            heard.close()
            self._notices.unlink(missing_ok=True)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, as soon as it is there; nothing once it has ended."""
        if self._process is None:
            self._unsent.append(number)
        elif self._process.returncode is None:
            self._process.send_signal(number)

    async def _run(self) -> int:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._environment,
                pass_fds=self._descriptors,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise StartError(
                f"cannot start {self._command[0]}: {error.strerror}",
                "is it a program that this user may run?",
            ) from error
        for number in self._unsent:
            self._process.send_signal(number)
        try:
            return await self._process.wait()
        except asyncio.CancelledError:
            self.send(signal.SIGKILL)
            await self._process.wait()
            raise

    def _hear(self, on_ready: Callable[[], None]) -> None:
        assert self._heard is not None
        try:
            said = self._heard.recv(_LONGEST)
        except OSError:
            return
        if READY in said.splitlines() and not self.is_ready:
            self.is_ready = True
            on_ready()


def how(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f"status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


def environment() -> dict[str, str]:
    """Return what a process of ours inherits: our own, but for what is said to us alone."""
    return {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
