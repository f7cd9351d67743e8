"""The application behind the simulated devices: it does what it is asked, and tells what it was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from keepline.errors import HubDownError, KeeplineError, ReplacedError
from keepline.gateway.handler import Handler
from keepline.wire.messages import Alert, Custom, Listen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from keepline.gateway.session import Session
    from keepline.reasons import CloseReason
    from keepline.wire.messages import DeviceMessage

BURST: Final = 12
BURST_BYTES: Final = 6_000
REPLY_FRAMES: Final = 50
TOOL_TIMEOUT_S: Final = 8.0
LONGEST_WAIT_S: Final = 8.0
FOREVER_S: Final = 86_400.0
_FRAME: Final = bytes(range(120))


class Fault(Exception):  # noqa: N818 (it is asked for)
    """What the application raises when it is asked to."""


class Witness(Protocol):
    """Who is told what happens to sessions, in the handler's own view."""

    def began(self, puppet: Puppet, session: Session, restored: bytes | None) -> None: ...
    def told(self, puppet: Puppet, number: int) -> None: ...
    def roused(self, puppet: Puppet) -> None: ...
    def asked(self, puppet: Puppet, state: bytes) -> None: ...
    def saving(self, puppet: Puppet, state: bytes) -> None: ...
    def saved(self, puppet: Puppet, state: bytes) -> None: ...
    def save_refused(self, puppet: Puppet) -> None: ...
    def sending(self, puppet: Puppet) -> int: ...
    def sent(self, puppet: Puppet, number: int) -> None: ...
    def promised_call(self, puppet: Puppet, due: float) -> object: ...
    def called_back(self, puppet: Puppet, promise: object) -> None: ...
    def begun_beside(self, puppet: Puppet) -> None: ...
    def ended_beside(self, puppet: Puppet) -> None: ...
    def ended(self, puppet: Puppet, reason: CloseReason) -> None: ...


class Puppet(Handler):
    """One session's handler. Its state is `device epoch version`; each thing asked is a version."""

    __slots__ = (
        "_is_realtime",
        "_restored",
        "device_id",
        "epoch",
        "is_closed",
        "is_idle",
        "is_sulking",
        "session",
        "version",
        "witness",
    )

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.session: Session
        self.device_id = ""
        self.epoch = 0
        self.version = 0
        self.is_idle = False
        self.is_closed = False
        self.is_sulking = False  # will fail to give its state
        self._is_realtime = False
        self._restored: bytes | None = None

    # -- its life --------------------------------------------------------------------------

    def restore(self, state: bytes) -> None:
        self._restored = state

    def opened(self, session: Session) -> None:
        self._begin(session, None)

    def resumed(self, session: Session) -> None:
        self._begin(session, self._restored)

    def _begin(self, session: Session, restored: bytes | None) -> None:
        self.session = session
        self.device_id = session.device_id
        self.witness.began(self, session, restored)

    def idle(self, _session: Session) -> None:
        self.is_idle = True

    def woken(self, _session: Session) -> None:
        self.is_idle = False

    def snapshot(self) -> bytes | None:
        if self.is_sulking:
            raise Fault("asked to")
        if not self.device_id:
            return self._restored  # its session ended before it began
        self.witness.asked(self, self.state)
        return self.state

    def closed(self, _session: Session, reason: CloseReason) -> None:
        self.is_closed = True
        if self.device_id:
            self.witness.ended(self, reason)

    @property
    def state(self) -> bytes:
        """What is to be known of it to go on."""
        return f"{self.device_id} {self.epoch} {self.version}".encode()

    # -- what it is asked ------------------------------------------------------------------

    def audio(self, session: Session, frame: bytes) -> None:
        self.witness.roused(self)
        if self._is_realtime:
            session.send_audio(frame)

    def text(self, session: Session, message: DeviceMessage) -> Awaitable[None] | None:
        self.witness.roused(self)
        if isinstance(message, Listen):
            if message.state == "start":
                self._is_realtime = message.mode == "realtime"
            elif not self._is_realtime:
                session.speak([_FRAME] * REPLY_FRAMES)
            return None
        if not isinstance(message, Custom) or not isinstance(message.payload, dict):
            return None
        payload: dict[str, Any] = message.payload
        if "m" not in payload:
            return None
        self.version += 1
        self.witness.told(self, payload["m"])
        return self._do(payload)

    def _do(self, payload: dict[str, Any]) -> Coroutine[Any, Any, None] | None:
        wish, u = payload["do"], payload["u"]
        match wish:
            case "save":
                return self._save()
            case "save late":
                return self._save(after_s=u * LONGEST_WAIT_S)
            case "tool":
                return self._call_tool()
            case "wait":
                return self._wait(u * LONGEST_WAIT_S)
            case "send":
                self.send()
            case "burst":
                for _ in range(BURST):
                    self.send(pad_bytes=int(u * BURST_BYTES))
            case "speak":
                self.session.speak([_FRAME] * REPLY_FRAMES)
            case "later":
                delay_s = u * 60.0
                due = asyncio.get_running_loop().time() + delay_s
                promise = self.witness.promised_call(self, due)
                self.session.after(delay_s, self._come_back, promise)
            case "beside":
                self.session.spawn(self._work_beside())
            case "sulk":
                self.is_sulking = True
            case "close":
                self.session.close()
            case "raise":
                raise Fault("asked to")
        return None

    def send(self, *, pad_bytes: int = 0) -> None:
        """Tell the device something that it is to get, now or on its next connection."""
        number = self.witness.sending(self)
        if number % 3:
            self.session.send(Custom({"n": number, "pad": "." * pad_bytes}))
        else:
            self.session.send(Alert(status="n", message=str(number), emotion="happy"))
        self.witness.sent(self, number)

    async def _save(self, after_s: float = 0.0) -> None:
        if after_s:
            await asyncio.sleep(after_s)
        state = self.state
        self.witness.saving(self, state)
        try:
            await self.session.save(state)
        except ReplacedError:
            self.witness.save_refused(self)
            raise
        except HubDownError:
            return
        self.witness.saved(self, state)

    async def _call_tool(self) -> None:
        try:
            await self.session.call_tool("self.get_device_status", timeout_s=TOOL_TIMEOUT_S)
        except KeeplineError:
            return  # it has none, or has left, or is slow: which of them is told elsewhere

    async def _wait(self, for_s: float) -> None:
        await asyncio.sleep(for_s)

    def _come_back(self, _session: Session, promise: object) -> None:
        self.witness.called_back(self, promise)

    async def _work_beside(self) -> None:
        self.witness.begun_beside(self)
        try:
            await asyncio.sleep(FOREVER_S)
        finally:
            self.witness.ended_beside(self)
