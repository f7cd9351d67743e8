"""`keepline upgrade` with several workers: as many others come, and these leave towards them.

Until all others are ready nothing has changed, so what can go wrong by then is undone by ending
them. What looks after the workers stays as it is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from keepline.app import line
from keepline.app.line import Line
from keepline.app.workers.keeper import HAND_ON

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from keepline.app.line import Message
    from keepline.app.workers.keeper import Keeper
    from keepline.app.workers.supervisor import Supervisor

MOST_LINES: Final = 8
MOST_PATIENCE_S: Final = 3_600.0
PROGRESS_EACH_S: Final = 0.5
HINT: Final = "its lines in the gateway's log say more; the gateway goes on as before"


class Renewal:
    """Listens in the data directory for who asks for an upgrade. Raises StartError."""

    def __init__(self, supervisor: Supervisor, directory: int) -> None:
        self._supervisor = supervisor
        self._directory = directory
        self._loop = asyncio.get_running_loop()
        self._lines: set[Line] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._control: socket.socket = line.listen(directory)
        self._loop.add_reader(self._control, self._accept)

    async def end(self) -> None:
        """Hear nobody any more, and leave no file."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        self._loop.remove_reader(self._control)
        self._control.close()
        line.forget(self._directory)
        for each in tuple(self._lines):
            each.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._control.accept()
        except OSError:
            return  # it has left already
        if len(self._lines) >= MOST_LINES or not line.is_ours(sock):
            sock.close()
            return
        self._lines.add(Line(sock, self._loop, self._on_message, self._lines.discard))

    def _on_message(self, who: Line, message: Message) -> None:
        why = self._why_not(message)
        if why:
            who.say({"told": "failed", "why": why, "hint": "nothing has changed"})
            return
        program = message.get("program")
        patience_s = min(float(message.get("patience_s") or 0), MOST_PATIENCE_S)
        supervisor = self._supervisor
        command = supervisor.command if program is None else [str(program), *supervisor.arguments]
        self._renewing = self._loop.create_task(self._renew(who, command, patience_s))

    def _why_not(self, message: Message) -> str:
        if message.get("ask") != "upgrade":
            return "this is not understood"
        if message.get("version") != line.VERSION:
            return "it speaks another version of this language"
        if self._renewing is not None and not self._renewing.done():
            return "an upgrade is under way"
        if len(self._supervisor.free_slots) < self._supervisor.many:
            return "workers of another upgrade are still leaving"
        if self._supervisor.is_stopping:
            return "the gateway is leaving"
        return ""

    async def _renew(self, who: Line, command: Sequence[str], patience_s: float) -> None:
        supervisor, log = self._supervisor, self._supervisor.log
        former, before = supervisor.command, list(supervisor.keepers.values())
        supervisor.command = command
        log.info("upgrade_begins", workers=supervisor.many)
        begun = supervisor.begin(supervisor.free_slots[: supervisor.many])
        why = await self._wait(who, begun, patience_s)
        if why:
            supervisor.command = former
            for keeper in begun:
                keeper.leave()
            log.error("upgrade_undone", why=why)
            who.say({"told": "failed", "why": why, "hint": HINT})
            return
        log.info("handed_over", workers=[keeper.slot for keeper in begun])
        who.say({"told": "ready", "pid": begun[0].pid})
        for keeper in before:
            keeper.leave(HAND_ON)
        await self._see_off(who, before)

    async def _wait(self, who: Line, begun: Sequence[Keeper], patience_s: float) -> str:
        """Return why it is to be undone, "" once all are ready."""
        until = self._loop.time() + patience_s
        has_told = False
        while not all(keeper.was_ready for keeper in begun):
            if begun[0].pid and not has_told:
                has_told = who.say({"told": "starting", "pid": begun[0].pid})
            ended = [each for each in begun if each.ready.is_set() and not each.was_ready]
            if ended:
                return f"a new process ended with status {ended[0].status}"
            if self._supervisor.is_stopping:
                return "this gateway was told to stop meanwhile"
            if not who.is_open:
                return "who asked for it has gone"
            if self._loop.time() >= until:
                return f"the new processes were not ready within {patience_s:g} s"
            await asyncio.sleep(PROGRESS_EACH_S / 10)
        return ""

    async def _see_off(self, who: Line, before: Sequence[Keeper]) -> None:
        """Tell how far those are that leave, until they have."""
        supervisor = self._supervisor
        while here := [each for each in before if each in supervisor.keepers.values()]:
            left = sum(supervisor.board.count(each.slot) for each in here)
            who.say({"told": "draining", "left": left})
            await asyncio.sleep(PROGRESS_EACH_S)
        who.say({"told": "done"})
