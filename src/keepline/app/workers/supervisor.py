"""The process that looks after the workers of a machine. It has what they share, and no device."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Final

from keepline.app import line, service
from keepline.app.workers.board import Board
from keepline.app.workers.child import Child, environment
from keepline.app.workers.keeper import Keeper
from keepline.app.workers.post import BOARD_FILE, VARIABLE, Post, admin_path, told
from keepline.app.workers.renewal import Renewal

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

    `command` is a worker's command line, `arguments` what of it stands behind the program. The
    sockets listen, and are closed here once nobody is to be started any more. `run_dir` is where
    workers and we meet, for this run alone; in `data_dir`, open and locked, upgrades are asked for.
    """

    def __init__(
        self,
        command: Sequence[str],
        arguments: Sequence[str],
        many: int,
        *,
        devices: Sequence[socket.socket],
        admin: socket.socket | None,
        run_dir: Path,
        data_dir: int | None,
        broker: Broker | None,
        clock: Clock,
        log: Log,
    ) -> None:
        self.command = command
        self.arguments = arguments
        self.many = many
        self.slots = 2 * many  # an upgrade has twice as many for a while
        self.is_stopping = False
        self.keepers: dict[asyncio.Task[None], Keeper] = {}
        self.log = log
        self.board = Board(run_dir / BOARD_FILE, self.slots)
        self._devices = tuple(devices)
        self._admin = admin
        self._run_dir = run_dir
        self._data_dir = data_dir
        self._broker = broker
        self._clock = clock
        self._signals = 0
        self._has_started = False
        self._renewal: Renewal | None = None
        self._status = 0
        self._changed = asyncio.Event()
        self._lifeline, self._held = os.pipe()

    async def run(self) -> int:
        """Return the exit status once all have left: the worst of them. Raises StartError."""
        try:
            if self._broker is not None:
                await self._broker.start(environment())
            if not self.is_stopping and await are_ready(self.begin(range(1, self.many + 1))):
                self._begin_to_serve()
            elif not self.is_stopping:
                self.leave()
            while self.keepers:
                self._changed.clear()
                await self._changed.wait()
        finally:
            await self._end()
        return self._status

    # -- workers ---------------------------------------------------------------------------

    def begin(self, slots: Iterable[int]) -> list[Keeper]:
        """Start a worker in each slot; none that ends before it is ready is tried again."""
        return [self._begin(slot) for slot in slots]

    @property
    def free_slots(self) -> list[int]:
        """In which there is no worker."""
        taken = {keeper.slot for keeper in self.keepers.values()}
        return [slot for slot in range(1, self.slots + 1) if slot not in taken]

    def leave(self) -> None:
        """Have all leave, each by its part of one drain; nobody is started any more."""
        if not self.is_stopping:
            self.is_stopping = True
            service.tell("STOPPING=1")
            self.log.info("stopping", workers=len(self.keepers))
            self._close_sockets()
        for keeper in self.keepers.values():
            keeper.leave()

    def _begin(self, slot: int) -> Keeper:
        def make(ended: str) -> Child:
            return self._child(slot, ended)

        keeper = Keeper(slot, make, lambda: self._clean_up(slot), clock=self._clock, log=self.log)
        task = asyncio.create_task(keeper.run())
        self.keepers[task] = keeper
        task.add_done_callback(self._on_gone)
        return keeper

    def _child(self, slot: int, ended: str) -> Child:
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
        return Child(self.command, variables, descriptors, self._run_dir / f"{slot}.notices")

    def _clean_up(self, slot: int) -> None:
        """Remove what a worker that was killed has left."""
        self.board.clear(slot)
        admin_path(self._run_dir, slot).unlink(missing_ok=True)

    def _on_gone(self, task: asyncio.Task[None]) -> None:
        keeper = self.keepers.pop(task)
        if not task.cancelled():
            task.result()
        status = keeper.status
        if keeper.was_ready or not self._has_started:  # else an upgrade came to nothing
            self._status = max(self._status, status if status >= 0 else 128 - status)
        self.log.info("worker_left", worker=keeper.slot, status=keeper.status)
        self._changed.set()

    # -- the process -----------------------------------------------------------------------

    def heed_signals(self) -> None:
        """Hear what this process is sent, from now on."""
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

    def _begin_to_serve(self) -> None:
        """All are ready: say so, and hear who asks for an upgrade. Raises StartError."""
        if self.is_stopping:
            return
        self._has_started = True
        if self._data_dir is not None and line.is_possible():
            self._renewal = Renewal(self, self._data_dir)
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
        if self._renewal is not None:
            await self._renewal.end()
        for task in self.keepers:
            task.cancel()
        await asyncio.gather(*self.keepers, return_exceptions=True)
        if self._broker is not None:
            await self._broker.stop()
        os.close(self._lifeline)
        os.close(self._held)
        self.board.close()
        self.log.info("stopped", status=self._status)


async def are_ready(begun: Sequence[Keeper]) -> bool:
    """Return whether all are ready, once each is or has ended."""
    await asyncio.gather(*(keeper.ready.wait() for keeper in begun))
    return all(keeper.was_ready for keeper in begun)
