"""One process after another: what this one takes over from its elder, and leaves to its heir."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from keepline.app import line
from keepline.app.data_directory import held
from keepline.app.elder import Elder
from keepline.app.estate import NOTHING
from keepline.app.memory import LAST_WRITES_S, outlive
from keepline.app.upgrades import Upgrades
from keepline.errors import HubDownError, StartError
from keepline.gateway.holder import NodeHolder
from keepline.gateway.sockets import adopt
from keepline.lifecycle.wheel import TICK_S

if TYPE_CHECKING:
    from keepline.app.composition import Composition
    from keepline.app.estate import Estate


class Succession:
    """The data directory of a composition, and who had it before and will have it after.

    An `estate` makes a process of it that can be replaced; None is somebody else's program.
    """

    def __init__(self, composition: Composition, estate: Estate | None) -> None:
        self.estate = NOTHING if estate is None else estate
        self.holder = NodeHolder(composition.node, composition.life)
        self.elder: Elder | None = None
        self.upgrades: Upgrades | None = None
        self.directory: int | None = None
        self._can_be_replaced = estate is not None and estate.post is None
        self._composition = composition
        self._node = composition.node
        self._held = contextlib.ExitStack()
        self._outliving: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Keep others out of the data directory. Raises StartError."""
        keeping = held(self._node.settings.data_dir, self.estate.directory)
        self.directory = self._held.enter_context(keeping)
        for sock in self.estate.devices:
            adopt(sock, self._node.settings.server.kernel_timeout_s)

    def meet_elder(self) -> Elder | None:
        """Return the process before this one, from now on a line to it; None when there is none."""
        line_to_it, loop, log = self.estate.line, self._node.loop, self._node.log
        if line_to_it is not None:
            life, end = self.estate.life, self._on_elder_gone
            self.elder = Elder(line_to_it, life, loop=loop, log=log, on_gone=end)
        return self.elder

    def on_listening(self) -> None:
        """The gateway accepts, on sockets of the estate if there are any."""
        node = self._node
        if self.estate.devices and not self.estate.is_shared:
            node.drain.on_refusing = None  # nobody is left who would take who comes then
        if node.settings.server.port not in {0, node.port}:
            wanted = node.settings.server.port
            node.log.warning("given_another_port", port=node.port, wanted=wanted)

    async def take_over(self) -> None:
        """All is ready: have the elder accept nobody any more, and be ready for an heir.

        Raises StartError when the elder does not answer; it goes on then.
        """
        if self.elder is not None:
            await self.elder.take_over()
            self._composition.hub.keeps_house = True
            await self._read_ledger()  # which it may have written since
        if self._can_be_replaced and self.directory is not None and line.is_possible():
            control = self.estate.control or line.listen(self.directory)
            self.upgrades = Upgrades(self, self._node, control)

    def revoke(self, device_id: str) -> None:
        """End the session of a device that is not to be let in any more, here and at the elder."""
        self._node.revoke(device_id)
        if self.elder is not None:
            self.elder.revoke(device_id)

    async def ask_elder(self, asked: dict[str, Any]) -> Any:
        """Return the elder's answer to an operator's question; None where there is no elder.

        Raises NoAnswerError.
        """
        return None if self.elder is None else await self.elder.ask(asked)

    async def end(self) -> None:
        """Ask nobody for anything any more, while the hub can still be written."""
        if self.elder is not None:
            self.elder.close()
        if self._outliving is not None:
            await asyncio.wait({self._outliving}, timeout=LAST_WRITES_S)
            self._outliving.cancel()  # a store that cannot be written keeps no process

    def let_go(self) -> None:
        """Leave the data directory to whoever is next."""
        if self.upgrades is not None:
            self.upgrades.leave_no_file()
        self._held.close()

    # -- for the heir ----------------------------------------------------------------------

    def bequest(self) -> tuple[dict[str, object], list[int]]:
        """Return what an heir is told and given: sockets of devices and operators, directory.

        It writes to our file from now on.
        """
        assert self.directory is not None
        composition = self._composition
        composition.hub.share()
        devices = composition.gateway.sockets
        admin = None if composition.admin is None else composition.admin.socket
        told = {
            "devices": len(devices),
            "admin": admin is not None,
            "shared": self.estate.is_shared,
            "life": composition.life,
            "run": composition.telling.run,
        }
        listening = [*devices, *(() if admin is None else (admin,))]
        return told, [*(sock.fileno() for sock in listening), self.directory]

    async def part(self) -> None:
        """Look after no alert any more, and have written what the heir goes on with.

        Of a time in which both look at themselves, what the heir sees is kept.
        """
        self._composition.sampler.leave()
        await self._composition.alerting.alerts.leave()

    def stay(self) -> None:
        """Go on as before: there is no heir after all."""
        self._composition.sampler.stay()
        self._composition.alerting.alerts.stay()

    async def survive(self) -> None:
        """The heir has ended, and nobody else writes to our file any more."""
        with contextlib.suppress(HubDownError):
            await self._composition.hub.be_alone()

    def hand_over(self) -> None:
        """Accept no device any more, and leave to the heir what one of the two is to do."""
        self._composition.gateway.stop_accepting()
        self._composition.hub.keeps_house = False

    async def hand_on(self) -> None:
        """Leave the sockets to the other workers, which have them as well, and drain towards them.

        Operators are still answered.
        """
        self._composition.gateway.stop_accepting()
        await self._let_in()
        self._node.drain.start("upgrade", away_s=0.0, binding=True)

    async def settle(self) -> None:
        """Let in who was accepted here, and then begin to drain, towards the heir."""
        if self._composition.admin is not None:
            await self._composition.admin.stop()
        await self._let_in()
        self._node.drain.start("upgrade", away_s=0.0, binding=True)

    async def _let_in(self) -> None:
        """Wait for who is on the way in.

        Who is not in by the longest deadline, held up or judged without an end, is refused then.
        """
        node = self._node
        longest_s = max(each.hello_timeout_s for each in node.settings.profiles.values())
        until = node.clock.now() + longest_s
        # No admission pays for an event that is needed once.
        while node.arrivals.admissions and node.clock.now() < until:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)

    # -- once the elder has gone -----------------------------------------------------------

    def _on_elder_gone(self) -> None:
        self._outliving = self._node.loop.create_task(self._outlive())

    async def _outlive(self) -> None:
        await outlive(self._composition.hub, self._node)
        await self._read_ledger()  # whoever was on the way in there has come in since

    async def _read_ledger(self) -> None:
        """Learn whom the elder has enrolled and revoked. From here on it is too late to fail."""
        try:
            await self._composition.enrolment.ledger.reopen()
        except StartError as error:
            self._node.log.error("ledger_not_read", error=error)
