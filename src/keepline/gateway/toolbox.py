"""The device's tools, called over its model context protocol (JSON-RPC 2.0 in `mcp` messages)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import json

from keepline.errors import NoToolsError, SessionEndedError, ToolError, ToolTimeoutError
from keepline.version import __version__
from keepline.wire.messages import Mcp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from keepline.gateway.session import Session

PROTOCOL: Final = "2024-11-05"
CALL_TIMEOUT_S: Final = 10.0

FIRST_ID: Final = 1_000_000_000
"""Ids of ours are this and the 999,999,999 above it: numbers that the firmware takes, apart from
those of keepalives, which are negative, and from the small ones of an application's own."""
IDS: Final = 1_000_000_000

MOST_PAGES: Final = 32
"""A device lists its tools in pages of up to 8,000 bytes."""

MOST_TOOLS: Final = 256

TOOLS_BYTES: Final = 65_536
"""Of all pages, as JSON: what is remembered of them, parsed, can take 24 times that."""


class Tool(NamedTuple):
    """One tool, as the device describes it; `input_schema` is a JSON schema, perhaps empty."""

    name: str
    description: str
    input_schema: Mapping[str, Any]


class ToolResult(NamedTuple):
    """What a tool answered: its texts, one a line, and its content as it came."""

    text: str
    content: Sequence[Mapping[str, Any]]


def answered_call(payload: object) -> int | None:
    """Return the id of the call of ours that `payload` answers, None when it answers none."""
    if not isinstance(payload, dict) or "method" in payload:
        return None
    number = payload.get("id")
    if type(number) is int and FIRST_ID <= number < FIRST_ID + IDS:
        return number
    return None


class Toolbox:
    """Calls the tools of one session's device; made with the first call."""

    __slots__ = ("_answers", "_is_greeted", "_opening", "_session", "_tools", "_under_way")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._answers: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._opening = asyncio.Lock()
        self._is_greeted = False
        self._tools: tuple[Tool, ...] | None = None
        self._under_way = 0

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return self._under_way > 0

    async def call(
        self, name: str, arguments: Mapping[str, Any] | None, timeout_s: float
    ) -> ToolResult:
        """Call one tool. Raises ToolError, ToolTimeoutError or SessionEndedError."""
        async with self._calling(f"the tool {name}", timeout_s):
            await self._greet()
            params = {"name": name, "arguments": dict(arguments or {})}
            result = await self._request("tools/call", params)
        content = [part for part in _list(result.get("content")) if isinstance(part, dict)]
        text = "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))
        if result.get("isError") is True:
            raise ToolError(text or "the tool reported an error")
        return ToolResult(text, content)

    async def tools(self, timeout_s: float) -> tuple[Tool, ...]:
        """Return what the device can do; asked once, then remembered until the device is idle.

        Raises as `call` does.
        """
        async with self._calling("the list of tools", timeout_s):
            await self._greet()
            async with self._opening:
                if self._tools is None:
                    self._tools = tuple([tool async for tool in self._pages()])
        return self._tools

    def receive(self, number: int, payload: Mapping[str, Any]) -> None:
        """Take an answer; one that nobody waits for any more is nothing to anybody."""
        answer = self._answers.get(number)
        if answer is not None and not answer.done():
            answer.set_result(payload)

    def close(self) -> None:
        """Fail whoever waits: the device will not answer."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(SessionEndedError("the session ended before the answer"))

    @asynccontextmanager
    async def _calling(self, what: str, timeout_s: float) -> AsyncIterator[None]:
        """Count one call, and bound it."""
        session = self._session
        if not session.hello.has("mcp"):
            raise NoToolsError("this device does not speak MCP: its hello has no features.mcp")
        most = session.connection.node.settings.handlers.tool_calls
        if self._under_way >= most:
            raise ToolError(f"{most} calls are under way already (handlers.tool_calls)")
        self._under_way += 1
        try:
            async with asyncio.timeout(timeout_s) as bound:
                yield
        except TimeoutError:
            if not bound.expired():
                raise
            raise ToolTimeoutError(f"{what}: no answer within {timeout_s:g} s") from None
        finally:
            self._under_way -= 1

    async def _greet(self) -> None:
        """Have the handshake of MCP behind us: once a session, or again if it came to nothing."""
        if self._is_greeted:
            return
        async with self._opening:
            if self._is_greeted:
                return
            client = {"name": "keepline", "version": __version__}
            params = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client}
            await self._request("initialize", params)
            self._session.tell(Mcp({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            self._is_greeted = True

    async def _pages(self) -> AsyncIterator[Tool]:
        params: dict[str, Any] = {}
        size_bytes = found = 0
        for _ in range(MOST_PAGES):
            page = await self._request("tools/list", params)
            size_bytes += len(json.encode(page))
            if size_bytes > TOOLS_BYTES:
                raise ToolError(f"the device's list of tools has more than {TOOLS_BYTES} bytes")
            for entry in _list(page.get("tools")):
                if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                    found += 1
                    if found > MOST_TOOLS:
                        raise ToolError(f"the device has more than {MOST_TOOLS} tools")
                    yield _tool(entry)
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                return
            params = {"cursor": cursor}
        raise ToolError(f"the device's list of tools has more than {MOST_PAGES} pages")

    async def _request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        session = self._session
        if session.connection.lifecycle.reason is not None:
            raise SessionEndedError("the session has ended")
        node = session.connection.node
        number = FIRST_ID + next(node.call_numbers) % IDS
        answer: asyncio.Future[Mapping[str, Any]] = node.loop.create_future()
        self._answers[number] = answer
        try:
            request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            session.tell(Mcp(request))
            payload = await answer
        finally:
            del self._answers[number]
        if (error := payload.get("error")) is not None:
            raise _tool_error(error)
        result = payload.get("result")
        return result if isinstance(result, dict) else {}


def _tool(entry: dict[str, Any]) -> Tool:
    description, schema = entry.get("description"), entry.get("inputSchema")
    return Tool(
        entry["name"],
        description if isinstance(description, str) else "",
        schema if isinstance(schema, dict) else {},
    )


def _tool_error(error: object) -> ToolError:
    """Return a JSON-RPC error; the firmware's have no code."""
    if not isinstance(error, dict):
        return ToolError(str(error))
    code, message = error.get("code"), error.get("message")
    return ToolError(
        message if isinstance(message, str) else "the device gave no message",
        code=code if type(code) is int else None,
    )


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
