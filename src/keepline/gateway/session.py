"""A device's session: what its handler may ask of it, and what comes from the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keepline.errors import BudgetError, InvalidDataError
from keepline.gateway import mistakes
from keepline.gateway.calls import GONE, Call
from keepline.gateway.drain.turn import ANSWER_S, RECORDED_S, Talk
from keepline.gateway.handler import Handler
from keepline.gateway.packed import pack
from keepline.gateway.resumption import part, save_snapshot
from keepline.gateway.seldom import put
from keepline.gateway.sending import Sending
from keepline.gateway.timers import Timer
from keepline.gateway.toolbox import CALL_TIMEOUT_S, Toolbox, answered_call
from keepline.lifecycle.states import State
from keepline.wire.audio import unpack
from keepline.wire.messages import (
    Abort,
    Ack,
    Listen,
    Malformed,
    Mcp,
    Ping,
    Pong,
    parse_device_message,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from keepline.gateway.connection import Connection
    from keepline.gateway.handler import AnyHandler
    from keepline.gateway.identity import Identity
    from keepline.gateway.resumption import Parting
    from keepline.gateway.toolbox import Tool, ToolResult
    from keepline.hub.port import Claim
    from keepline.lifecycle.profile import Profile
    from keepline.reasons import CloseReason
    from keepline.wire.messages import Hello, ServerHello

_AMONG_US = frozenset({Ping, Pong, Ack})  # between client and gateway; no handler hears of it
_PONG = Pong()


class Session(Sending):
    """One device's turn on one connection."""

    __slots__ = ("opened_at",)

    def __init__(
        self,
        connection: Connection,
        identity: Identity,
        hello: Hello,
        handler: AnyHandler,
        *,
        claim: Claim,
    ) -> None:
        super().__init__(
            connection,
            hello,
            handler,
            device_id=identity.device_id,
            ids=pack(claim.number, claim.outcome, claim.session_id, identity.client_id),
        )
        self.opened_at = connection.node.ticker.now

    @property
    def parting(self) -> Parting | None:
        """What it leaves, once its end has come."""
        return self.connection.node.seldom.partings.get(self)

    @parting.setter
    def parting(self, parting: Parting | None) -> None:
        put(self.connection.node.seldom.partings, self, parting)

    @property
    def profile(self) -> Profile:
        """What kind of device this is, and how it is treated."""
        return self.connection.profile

    @property
    def speaks_mcp(self) -> bool:
        """Whether the device said that it answers MCP requests."""
        return self.hello.has("mcp")

    # -- for the handler -------------------------------------------------------------------

    async def save(self, state: bytes) -> None:
        """Keep `state` for the device's next session; acknowledged when this returns.

        From then on it survives the end of the process, and is what `restore` gets if the handler
        is asked for no `snapshot` any more. Raises ReplacedError when the device is held by a
        newer session, HubDownError when nothing can be kept now, ValueError for what is too large.
        """
        await self._node.memory.save(self, state)

    async def save_snapshot(self) -> None:
        """Ask the handler for a snapshot and save it; what cannot be kept is told in the log."""
        await save_snapshot(self)

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> ToolResult:
        """Call a tool of the device, and return what it answers.

        Raises ToolError with the device's own words, ToolTimeoutError, NoToolsError when the
        device speaks no MCP, and SessionEndedError as soon as the session ends.
        """
        mistakes.check_tool(name, arguments)
        return await self._toolbox().call(name, arguments, timeout_s)

    async def tools(self, *, timeout_s: float = CALL_TIMEOUT_S) -> tuple[Tool, ...]:
        """Return what the device can do, remembered until it is idle. Raises as `call_tool`."""
        return await self._toolbox().tools(timeout_s)

    def after(self, delay_s: float, method: Callable[..., object], *arguments: object) -> Timer:
        """Call `method(session, *arguments)` in `delay_s`, in order with the other calls.

        The timer ends with the session; `cancel` ends it sooner.
        """
        mistakes.check_timer(delay_s, method)
        self._node.isolation.budgets.arm(self)
        timers = self.beside().timers
        timer = Timer(self, timers, delay_s, method, arguments)
        if self.connection.lifecycle.reason is not None:
            timer.cancel()
        return timer

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run `work` beside the handler's calls; it is cancelled when the session ends.

        Once the session has lost its connection, `work` is not begun at all.
        """
        mistakes.check_coroutine(work)
        if self.connection.lifecycle.state in GONE:
            work.close()
            return
        try:
            self._node.isolation.budgets.spawn(self)
        except BudgetError:
            work.close()
            raise
        self.hold(work, self.spawn)

    # -- for the parts of a session --------------------------------------------------------

    def _toolbox(self) -> Toolbox:
        beside = self.beside()
        if beside.toolbox is None:
            beside.toolbox = Toolbox(self)
        return beside.toolbox

    def answer_hello(self, hello: ServerHello) -> None:
        """Answer the device's hello."""
        self.tell(hello)

    # -- from the connection ---------------------------------------------------------------

    def receive_text(self, text: str) -> None:
        """Hand a message to the handler; what cannot be read is counted and left alone."""
        counters = self._node.counters
        counters.messages_in += 1
        message = parse_device_message(text)
        interrupts = False
        if type(message) is Listen and message.state != "detect":
            # While listening it sends a frame every 60 ms.
            self._full_duplex = message.mode == "realtime"
            starts = message.state == "start"
            self.connection.expect_audio(flowing=starts)
            interrupts = starts and self._speaker is not None and self._speaker.listening_began()
        elif type(message) is Abort:
            interrupts = True
            self.stop_speaking()
        elif type(message) is Mcp and (number := answered_call(message.payload)) is not None:
            if (beside := self._beside) is not None and beside.toolbox is not None:
                beside.toolbox.receive(number, message.payload)
            return
        elif type(message) is Malformed:
            counters.malformed_messages += 1
            self._node.log.debug(
                "malformed_message", device_id=self.device_id, detail=message.detail
            )
            return
        elif type(message) in _AMONG_US:
            if type(message) is Ping:
                self.tell(_PONG)
            elif type(message) is Ack and (delivery := self._delivery) is not None:
                delivery.acknowledge(message.message_id)
            return
        if self._worker is None:
            self.deliver(self.handler.text, message)
        else:
            utf8 = text.encode()
            self._keep(Call(self.handler.text, (), utf8, interrupts), len(utf8), audio=False)

    def receive_binary(self, data: bytes) -> None:
        """Hand an audio frame to the handler (version 1: the message is the Opus frame)."""
        if (self.hello.version or 1) != 1 or not data:
            frame = self._unpack(data)
            if frame is None:
                return
            data = frame
        node = self.connection.node
        node.counters.audio_in += 1
        audio = self.handler.audio
        if self._worker is not None:
            self._keep(Call(audio, (data,)), len(data), audio=True)
            return
        rest = node.fence.call_with(self, audio, data)
        if rest is not None:
            self.go_on(audio, rest)

    def _unpack(self, message: bytes) -> bytes | None:
        """Return the Opus frame in a message, None when there is none; what is bad is counted."""
        if not message:
            return None  # with which browsers mark the end of a recording
        try:
            payload = unpack(message, self.audio_version).payload
        except InvalidDataError as error:
            self._node.counters.malformed_audio += 1
            self._node.log.debug("malformed_audio", device_id=self.device_id, detail=error.detail)
            return None
        if isinstance(payload, bytes):
            return payload
        self.receive_text(payload)
        return None

    def tell_idle(self) -> None:
        """Tell the handler that nothing has happened for a while, and save what it has."""
        self.deliver(self.handler.idle)
        if type(self.handler).snapshot is not Handler.snapshot:
            self.hold(self.save_snapshot(), self.tell_idle)

    def release_buffers(self) -> None:
        """Give back what only a busy session needs."""
        if (beside := self._beside) is not None and beside.is_quiet:
            self._beside = None
        if self._speaker is not None and self._speaker.is_quiet:
            self._speaker = None
        if self._delivery is not None and not self._delivery:
            self._delivery = None

    def tell_woken(self) -> None:
        """Tell the handler that the device speaks again."""
        self.deliver(self.handler.woken)

    def tell_closing(self) -> None:
        """End what waits for the device: it will not answer any more."""
        self.stop_speaking()
        if (beside := self._beside) is not None:
            beside.close()

    def tell_draining(self) -> None:
        """Tell the handler that the end is near, unless its session is ending already."""
        if self.connection.lifecycle.reason is None:
            self.deliver(self.handler.draining)

    def talk(self, now: float) -> Talk:
        """Return whether the device is in a conversation."""
        connection = self.connection
        if self._speaker is not None and not self._speaker.is_quiet:
            return Talk.ANSWERING
        if self._worker is not None:
            return Talk.ASKING
        if connection.lifecycle.state is State.IDLE:
            return Talk.SILENT
        silent_s = now - connection.last_activity
        if connection.heartbeat.streaming and silent_s < RECORDED_S:
            return Talk.ASKING
        is_at_work = (beside := self._beside) is not None and bool(beside.tasks)
        if connection.last_sent < connection.last_activity and (is_at_work or silent_s < ANSWER_S):
            return Talk.ASKING  # it said something, and has got nothing since
        return Talk.SILENT

    # -- the end, called by cleanup --------------------------------------------------------

    def end(self, reason: CloseReason) -> Awaitable[None] | None:
        """Fall silent, and let the handler's calls come to their end."""
        self.stop_speaking()
        self._speaker = None
        if self.parting is None:  # else it was not begun yet, or is handed over already
            self.parting = part(self, reason)
        return super().end(reason)

    def release(self) -> None:
        """Give the device back, unless a newer session holds it already, and with it all else."""
        if not self._node.registry.release(self):
            return
        parting = self.parting
        record = None if parting is None else parting.record()
        if record is None and parting is not None:
            self._node.memory.leave_messages(self, parting.undelivered)
        else:
            self._node.memory.leave(self, record)

    def forget(self) -> None:
        """It has gone, and nobody asks for it any more."""
        self._node.seldom.forget(self)
