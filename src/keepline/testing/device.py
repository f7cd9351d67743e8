"""A device that does what a test tells it to, and remembers what it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keepline.gateway.paths import DEVICE_PATH
from keepline.lifecycle.wheel import TICK_S
from keepline.testing.line import SWITCHING, Line
from keepline.testing.tools import answer
from keepline.wire.audio import pack, unpack
from keepline.wire.messages import (
    AudioParams,
    Hello,
    Mcp,
    ServerHello,
    encode_device_message,
    parse_server_message,
)

if TYPE_CHECKING:
    from keepline.gateway.session import Session
    from keepline.testing.stage import Stage
    from keepline.testing.tools import Tool
    from keepline.wire.messages import KnownDeviceMessage, ServerMessage, Unreadable

DEVICE_ID = "02:00:00:00:00:01"
HELLO = Hello(version=1, features={"mcp": True}, transport="websocket", audio_params=AudioParams())


class Device:
    """One device. What it says arrives in the next turn of the loop: `advance`, also by 0.

    `heard` has the messages of the gateway in order, `played` the Opus frames. The gateway's
    hello, MCP requests that `tools` answer, and what only keeps the channel open are in neither.
    `called` has the calls of its tools, with their arguments. Pings are answered, and to a Close
    it hangs up.
    """

    def __init__(self, stage: Stage, device_id: str = DEVICE_ID, hello: Hello = HELLO) -> None:
        self.stage = stage
        self.device_id = device_id
        self.hello = hello
        self.heard: list[ServerMessage | Unreadable] = []
        self.played: list[bytes] = []
        self.tools: dict[str, Tool] = {}
        self.called: list[tuple[str, dict[str, Any]]] = []
        self._line: Line | None = None
        self._is_greeted = False
        self._session: Session | None = None

    # -- coming and going ------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect and say hello, beside the connection that there may be.

        Raises ConnectionRefusedError, or ConnectionResetError when it is closed at once.
        """
        self._is_greeted = False
        line = self._line = Line(lambda message: self._on_message(line, message))
        line.transport = self.stage.open_transport(line)
        await self.stage.settle()
        headers = {"Device-Id": self.device_id, "Client-Id": "stage"}
        if self.stage.token is not None:
            headers["Authorization"] = f"Bearer {self.stage.token}"
        line.ask(f"{DEVICE_PATH}/", headers)
        await self._until_answered(line)
        line.send(encode_device_message(self.hello))
        await self._until_greeted(line)
        self._session = self.stage.node.registry.by_device(self.device_id)

    async def reconnect(self) -> None:
        """Connect anew; a former connection that still lives is replaced."""
        await self.connect()

    def hang_up(self) -> None:
        """Close TCP without a Close, as firmware ends a conversation."""
        self._connected_line().hang_up()

    def go_silent(self) -> None:
        """Be dead without saying so: nothing is answered any more, nothing is closed."""
        self._connected_line().is_silent = True

    async def _until_answered(self, line: Line) -> None:
        await self.stage.settle()
        while line.response is None and not line.is_over:
            await self.stage.advance(TICK_S)
        if line.response is None:
            raise ConnectionResetError("closed without an answer")
        if line.response.status != SWITCHING:
            raise ConnectionRefusedError(f"HTTP {line.response.status}")

    async def _until_greeted(self, line: Line) -> None:
        await self.advance(0)
        while not (self._is_greeted or line.is_over):
            await self.stage.advance(TICK_S)
        if not self._is_greeted:
            raise ConnectionResetError(f"closed with {line.close_code}")

    # -- speaking --------------------------------------------------------------------------

    def say(self, message: KnownDeviceMessage | str) -> None:
        """Send a message, or a text that may be none."""
        text = message if isinstance(message, str) else encode_device_message(message)
        self._connected_line().send(text)

    def record(self, *frames: bytes) -> None:
        """Send Opus frames of the microphone, framed in the version that the hello says."""
        for frame in frames:
            self._connected_line().send(pack(frame, self.hello.version or 1))

    async def advance(self, by_s: float) -> None:
        """Let time pass, and what is due in it happen. Raises what the handler raised."""
        await self.stage.advance(by_s)

    def _connected_line(self) -> Line:
        if self._line is None:
            raise ConnectionError("it has not connected")
        return self._line

    # -- what there is to see --------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether it has a session, as far as it knows."""
        return self._is_greeted and self._line is not None and self._line.is_open

    @property
    def close_code(self) -> int | None:
        """The code of the Close that its latest connection was sent."""
        return None if self._line is None else self._line.close_code

    @property
    def session(self) -> Session:
        """The session of its latest connection."""
        assert self._session is not None, "it has not connected"
        return self._session

    @property
    def handler(self) -> Any:
        """The handler of its latest connection."""
        return self.session.handler

    # -- from the gateway ------------------------------------------------------------------

    def _on_message(self, line: Line, message: str | bytes) -> None:
        if line is not self._line:
            return  # of a connection that it has forgotten
        if isinstance(message, str):
            self._on_text(message)
            return
        payload = unpack(message, self.hello.version or 1).payload
        self.played.append(payload if isinstance(payload, bytes) else payload.encode())

    def _on_text(self, text: str) -> None:
        message = parse_server_message(text)
        match message:
            case ServerHello():
                self._is_greeted = True
            case Mcp(payload={"method": str(method)}) if _is_answered(method):
                self._answer(message.payload)
            case _ if '"keepalive"' in text:
                pass
            case _:
                self.heard.append(message)

    def _answer(self, payload: dict[str, Any]) -> None:
        if payload["method"] == "tools/call" and isinstance(params := payload["params"], dict):
            self.called.append((params.get("name", ""), params.get("arguments") or {}))
        if (answered := answer(self.tools, payload)) is not None:
            self.say(Mcp(answered))


def _is_answered(method: str) -> bool:
    """Whether that is about tools, or a sign of life that the gateway asks for."""
    known = method in {"initialize", "keepline/alive"}
    return known or method.startswith(("tools/", "notifications/"))
