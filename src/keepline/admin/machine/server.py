"""The admin server of a worker: for operators at the port of all, for the others at its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.admin.machine.workers import listen_at
from keepline.admin.server import AdminServer

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from keepline.admin.guard import Application


class MachineServer(AdminServer):
    """Answers operators by `whole`, and by `own` the other workers, at a socket at `path`."""

    def __init__(
        self, host: str, port: int, whole: Application, *, own: Application, path: Path
    ) -> None:
        super().__init__(host, port, whole)
        self._own = AdminServer(host, port, own)
        self._path = path

    async def start(self, given: socket.socket | None = None) -> None:
        """Answer from now on: the others first, since they are asked for what an operator asks."""
        await self._own.start(listen_at(self._path))
        await super().start(given)

    async def stop(self) -> None:
        """Finish what is being answered, then close; idempotent."""
        await super().stop()
        self._path.unlink(missing_ok=True)
        await self._own.stop()
