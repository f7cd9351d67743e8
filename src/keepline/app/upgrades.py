"""A process that can be replaced while it runs: it starts its heir, hands over, and leaves.

Until the heir says that it is ready nothing has changed here, so all that can go wrong by then is
undone by ending the heir. From then on this process accepts nobody, and drains.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final

from keepline.admin.former import answer
from keepline.app import line, service
from keepline.app.heir import LOOK_S, HeirProcess, command_line
from keepline.app.line import Line
from keepline.app.parts import Gathered, in_parts
from keepline.errors import StartError

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine

    from keepline.app.line import Message
    from keepline.app.succession import Succession
    from keepline.gateway.node import Node

MOST_LINES: Final = 8
MOST_PATIENCE_S: Final = 3_600.0
PROGRESS_EACH_S: Final = 0.5


class Upgrades:
    """Listens in the data directory for who asks for an upgrade, and for the heir.

    `handed_over` is set once another process has taken over and this one is to leave.
    """

    def __init__(self, succession: Succession, node: Node, control: socket.socket) -> None:
        self.handed_over = asyncio.Event()
        self._succession = succession
        self._node = node
        self._loop = node.loop
        self._control: socket.socket | None = control
        self._lines: set[Line] = set()
        self._watching: Line | None = None  # who asked for the upgrade that is under way
        self._heir: Line | None = None
        self._parting = False  # what the heir is to go on with is being written
        self._starting: asyncio.Task[None] | None = None  # until the heir is ready, or has ended
        self._may_take_over = False  # the heir; not once its upgrade is being undone
        self._held: set[asyncio.Task[None]] = set()  # what is done for the heir
        self._gathered = Gathered()
        self._progress: asyncio.TimerHandle | None = None
        self._loop.add_reader(control, self._accept)

    async def over(self, stop: asyncio.Event) -> bool:
        """Return when this process is to leave: told to `stop`, or, True, replaced by another.

        An upgrade that has not come so far when it is told to stop is undone, to its end.
        """
        await _first(stop.wait(), self.handed_over.wait())
        if self._starting is not None and not self.handed_over.is_set():
            if self._may_take_over:
                self._starting.cancel()
            await asyncio.wait({self._starting})
        if not self.handed_over.is_set():
            return False
        await _first(stop.wait(), self._succession.settle())
        return True

    def leave_no_file(self) -> None:
        """Remove our socket while the directory is still ours, unless the heir has it now."""
        if not self.handed_over.is_set() and self._succession.directory is not None:
            line.forget(self._succession.directory)

    def close(self) -> None:
        """Say that this process is gone now, and hear nobody any more."""
        if self._progress is not None:
            self._progress.cancel()
        if self._watching is not None and self.handed_over.is_set():
            self._watching.say({"told": "done"})
        self._stop_listening()
        for each in tuple(self._lines):
            each.close()

    # -- who speaks to us ------------------------------------------------------------------

    def _accept(self) -> None:
        assert self._control is not None
        try:
            sock, _ = self._control.accept()
        except OSError:
            return  # it has left already
        if len(self._lines) >= MOST_LINES or not line.is_ours(sock):
            sock.close()
            return
        self._lines.add(Line(sock, self._loop, self._on_message, self._on_end))

    def _on_message(self, who: Line, message: Message) -> None:
        match message.get("ask"):
            case "upgrade":
                self._begin(who, message)
            case "inherit":
                self._bequeath(who, message)
            case "take_over" if who is self._heir and not self._parting:
                self._parting = True
                self._hold(self._hand_over(who))
            case "give_up" if who is self._heir:
                self._hold(self._give_up(who, str(message.get("device")), message.get("number")))
            case "answer" if who is self._heir:
                self._be_asked(who, message)
            case "revoke" if who is self._heir:
                self._node.revoke(str(message.get("device")))
            case _:
                _refuse(who, "this is not understood", "")

    def _on_end(self, who: Line) -> None:
        self._lines.discard(who)
        if who is self._heir and not self.handed_over.is_set():
            self._heir = None
            self._gathered = Gathered()
        if who is self._watching and self.handed_over.is_set():
            self._watching = None  # it goes on with nobody to see it

    def _hold(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    # -- who asks for an upgrade -----------------------------------------------------------

    def _begin(self, who: Line, message: Message) -> None:
        why = self._why_not(message)
        if why:
            _refuse(who, why, "nothing has changed")
            return
        program = message.get("program")
        patience_s = min(float(message.get("patience_s") or 0), MOST_PATIENCE_S)
        self._watching = who
        self._may_take_over = True
        self._starting = self._loop.create_task(
            self._start(who, None if program is None else str(program), patience_s)
        )

    def _why_not(self, message: Message) -> str:
        if message.get("version") != line.VERSION:
            return "it speaks another version of this language"
        if self._starting is not None or self.handed_over.is_set():
            return "an upgrade is under way"
        if self._node.drain.is_leaving:
            return "the gateway is leaving"
        if os.getpid() == 1:
            return "it is the first process of its container, which would end with it"
        if self._succession.elder is not None and self._succession.elder.is_here:
            return "the process before this one has not left yet"
        return ""

    async def _start(self, who: Line, program: str | None, patience_s: float) -> None:
        """Start the heir and wait until it has taken over; else undo it and say why."""
        try:
            process = HeirProcess(command_line(program))
        except StartError as error:
            self._watching = None
            _refuse(who, error.problem, error.hint)
        else:
            await self._see_through(who, process, patience_s)
        self._may_take_over = False
        self._starting = None

    async def _see_through(self, who: Line, process: HeirProcess, patience_s: float) -> None:
        log = self._node.log
        try:
            log.info("upgrade_begins", heir=process.pid)
            who.say({"told": "starting", "pid": process.pid})
            why = await self._wait(who, process, patience_s)
        except asyncio.CancelledError:
            why = "this gateway was told to stop meanwhile"
        if self.handed_over.is_set():
            return
        self._may_take_over = False
        self._watching = None
        await process.end()
        self._hold(self._succession.survive())
        log.error("upgrade_undone", why=why)
        _refuse(who, why, "its lines in the gateway's log say more; the gateway goes on as before")

    async def _wait(self, who: Line, process: HeirProcess, patience_s: float) -> str:
        """Return why it is to be undone, once it is known whether it has taken over."""
        until = self._loop.time() + patience_s
        while not self.handed_over.is_set():
            status = process.status()
            if status is not None:
                return f"the new process ended with status {status}"
            if not who.is_open:
                return "who asked for it has gone"
            if self._loop.time() >= until:
                return f"the new process was not ready within {patience_s:g} s"
            await asyncio.sleep(LOOK_S)
        return ""

    # -- the heir --------------------------------------------------------------------------

    def _bequeath(self, who: Line, message: Message) -> None:
        if message.get("version") != line.VERSION or not self._may_take_over or self._heir:
            _refuse(who, "nobody has asked for it", "use `keepline upgrade`")
            return
        assert self._control is not None
        told, descriptors = self._succession.bequest()
        self._heir = who
        who.say({"version": line.VERSION, **told}, (*descriptors, self._control.fileno()))

    async def _hand_over(self, heir: Line) -> None:
        """The heir is ready: it accepts from where it is told so on, and this process leaves."""
        try:
            await self._succession.part()
            is_taken = self._may_take_over and heir.say({"told": "yours"})
        except Exception as error:  # noqa: BLE001 (who was about to leave goes on: a fence)
            self._node.isolation.faults.of_ours(error, "hand_over_failed")
            is_taken = False
        if not is_taken:
            self._parting = False
            self._succession.stay()
            return
        self._node.log.info("handed_over", heir=heir.pid, connections=len(self._node.registry))
        service.tell(f"MAINPID={heir.pid}")
        self._stop_listening()
        self._succession.hand_over()
        self.handed_over.set()
        if self._watching is not None:
            self._watching.say({"told": "ready", "pid": heir.pid})
        self._tell_progress()

    def _be_asked(self, who: Line, message: Message) -> None:
        """An operator asks the heir for what may still be here."""
        is_whole, asked = self._gathered.add(message)
        if is_whole and isinstance(asked, dict):
            self._hold(self._answer(who, asked, message.get("number")))

    async def _answer(self, who: Line, asked: dict[str, Any], number: object) -> None:
        for part in in_parts(await answer(self._node, asked)):
            who.say({"told": "answer", "number": number, **part})

    async def _give_up(self, who: Line, device_id: str, number: object) -> None:
        try:
            await self._succession.holder.give_up(device_id)
        except Exception as error:  # noqa: BLE001 (the heir waits for an answer: a fence)
            self._node.isolation.faults.of_ours(error, "give_up_failed", device_id)
        who.say({"told": "given_up", "number": number})

    def _tell_progress(self) -> None:
        if self._watching is not None:
            self._watching.say({"told": "draining", "left": len(self._node.registry)})
        self._progress = self._loop.call_later(PROGRESS_EACH_S, self._tell_progress)

    def _stop_listening(self) -> None:
        """Leave the socket to the heir, or to nobody; idempotent."""
        control, self._control = self._control, None
        if control is not None:
            self._loop.remove_reader(control)
            control.close()


async def _first(*waits: Coroutine[object, object, object]) -> None:
    """Return when one of them does, and end the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _refuse(who: Line, why: str, hint: str) -> None:
    who.say({"told": "failed", "why": why, "hint": hint})
