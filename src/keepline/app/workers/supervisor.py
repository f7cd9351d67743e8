"""The process that looks after the workers of a machine. It has what they share, and no device."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Final

from keepline.app import service
from keepline.app.workers.board import Board
from keepline.app.workers.child import Child, environment
from keepline.app.workers.keeper import Keeper
from keepline.app.workers.post import BOARD_FILE, VARIABLE, Post, admin_path, told

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from keepline.app.workers.broker import Broker
    from keepline.clock import Clock
    from keepline.log import Log

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
MOST_PASSED_ON: Final = 2  # to stop, and to hurry
CLUSTER_URL: Final = "KEEPLINE_CLUSTER__URL"


class Supervisor:
    """Has `many` workers there, from `run` until they have left; used once.

    `command` is a worker's command line. The sockets listen, and are closed here once nobody is to
    be started any more. `run_dir` is where workers and we meet, for this run alone.
    """

    def __init__(
        self,
        command: Sequence[str],
        many: int,
        *,
        devices: Sequence[socket.socket],
        admin: socket.socket | None,
        run_dir: Path,
        broker: Broker | None,
        clock: Clock,
        log: Log,
    ) -> None:
        self.many = many
        self.slots = 2 * many  # an upgrade has twice as many for a while
        self.is_stopping = False
        self.keepers: dict[asyncio.Task[None], Keeper] = {}
        self.log = log
        self.board = Board(run_dir / BOARD_FILE, self.slots)
        self._command = command
        self._devices = tuple(devices)
        self._admin = admin
        self._run_dir = run_dir
        self._broker = broker
        self._clock = clock
        self._signals = 0
        self._status = 0
        self._changed = asyncio.Event()
        self._lifeline, self._held = os.pipe()

    async def run(self) -> int:
        """Return the exit status once all have left: the worst of them. Raises StartError."""
        self._heed_signals()
        try:
            if self._broker is not None:
                await self._broker.start(environment())
            if not await self.begin(range(1, self.many + 1)):
                self.leave()
            elif not self.is_stopping:
                self._tell_started()
            while self.keepers:
                self._changed.clear()
                await self._changed.wait()
        finally:
            await self._end()
        return self._status

    # -- workers ---------------------------------------------------------------------------

    async def begin(self, slots: Iterable[int], command: Sequence[str] | None = None) -> bool:
        """Start a worker in each slot; return whether all are ready. None is tried again."""
        begun = [self._begin(slot, command or self._command) for slot in slots]
        await asyncio.gather(*(keeper.ready.wait() for keeper in begun))
        return all(keeper.was_ready for keeper in begun)

    def leave(self) -> None:
        """Have all leave, each by its part of one drain; nobody is started any more."""
        if not self.is_stopping:
            self.is_stopping = True
            service.tell("STOPPING=1")
            self.log.info("stopping", workers=len(self.keepers))
            self._close_sockets()
        for keeper in self.keepers.values():
            keeper.leave()

    def _begin(self, slot: int, command: Sequence[str]) -> Keeper:
        def make(ended: str) -> Child:
            return self._child(slot, command, ended)

        keeper = Keeper(slot, make, lambda: self._clean_up(slot), clock=self._clock, log=self.log)
        task = asyncio.create_task(keeper.run())
        self.keepers[task] = keeper
        task.add_done_callback(self._on_gone)
        return keeper

    def _child(self, slot: int, command: Sequence[str], ended: str) -> Child:
        post = Post(
            slot=slot,
            many=self.many,
            slots=self.slots,
            directory=self._run_dir,
            devices=self._devices,
            admin=self._admin,
            ended=ended,
        )
        held = [] if self._broker is None else [self._broker.held]
        text, descriptors = told(post, self._lifeline, held)
        variables = {**environment(), VARIABLE: text}
        if self._broker is not None:
            variables[CLUSTER_URL] = self._broker.url
        return Child(command, variables, descriptors, self._run_dir / f"{slot}.notices")

    def _clean_up(self, slot: int) -> None:
        """Remove what a worker that was killed has left."""
        self.board.clear(slot)
        admin_path(self._run_dir, slot).unlink(missing_ok=True)

    def _on_gone(self, task: asyncio.Task[None]) -> None:
        keeper = self.keepers.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.log.error("worker_not_started", worker=keeper.slot, error=error)
        status = 1 if error is not None else keeper.status
        self._status = max(self._status, status if status >= 0 else 128 - status)
        self.log.info("worker_left", worker=keeper.slot, status=keeper.status)
        self._changed.set()

    # -- the process -----------------------------------------------------------------------

    def _heed_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_stop_signal, number)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)

    def _on_stop_signal(self, number: signal.Signals) -> None:
        """Stop, hurry, end at once: each worker counts what it is sent as well."""
        self._signals += 1
        if self._signals <= MOST_PASSED_ON:
            self.leave()
            return
        self._pass_on(signal.SIGKILL)
        self._status = 128 + number

    def _pass_on(self, number: signal.Signals) -> None:
        for keeper in self.keepers.values():
            keeper.send(number)

    def _tell_started(self) -> None:
        port = self._devices[0].getsockname()[1]
        admin_port = None if self._admin is None else self._admin.getsockname()[1]
        self.log.info("workers_started", port=port, admin_port=admin_port, workers=self.many)
        service.tell("READY=1")

    def _close_sockets(self) -> None:
        """Who connects once the last worker has closed its own is refused, and waits for nobody."""
        for sock in (*self._devices, *(() if self._admin is None else (self._admin,))):
            sock.close()

    async def _end(self) -> None:
        """Leave nothing: no process, no socket, no file of this run."""
        self._close_sockets()
        for task in self.keepers:
            task.cancel()
        await asyncio.gather(*self.keepers, return_exceptions=True)
        if self._broker is not None:
            await self._broker.stop()
        os.close(self._lifeline)
        os.close(self._held)
        self.board.close()
        self.log.info("stopped", status=self._status)
