"""PURE: the tools of a simulated device, called by JSON-RPC as the firmware's are (its MCP server).

Its errors have a message and no code, contrary to JSON-RPC 2.0. It answers no request whose id is
not a number, and no notification.
"""

from __future__ import annotations

from typing import Any, Final

PROTOCOL_VERSION: Final = "2024-11-05"
_MOST_ID: Final = 2**31 - 1  # ids are read as 32-bit integers, and stop at their ends

_TOOLS: Final[list[dict[str, Any]]] = [
    {
        "name": "self.get_device_status",
        "description": "Tells the volume of the speaker.",
        "inputSchema": {"type": "object", "properties": {}},
    },
    {
        "name": "self.audio_speaker.set_volume",
        "description": "Sets the volume of the speaker.",
        "inputSchema": {
            "type": "object",
            "properties": {"volume": {"type": "integer", "minimum": 0, "maximum": 100}},
            "required": ["volume"],
        },
    },
]


class Tools:
    """What one device can be asked to do, and its state."""

    __slots__ = ("volume",)

    def __init__(self) -> None:
        self.volume = 70

    def answer(self, payload: object) -> dict[str, Any] | None:
        """Return the JSON-RPC answer to `payload`; None where the firmware says nothing."""
        if not isinstance(payload, dict) or payload.get("jsonrpc") != "2.0":
            return None
        method, params, number = (payload.get(name) for name in ("method", "params", "id"))
        if not isinstance(method, str) or method.startswith("notifications"):
            return None
        if not (params is None or isinstance(params, dict)):
            return None
        if isinstance(number, bool) or not isinstance(number, int | float):
            return None
        outcome = self._perform(method, params or {})
        return {"jsonrpc": "2.0", "id": _as_read(number), **outcome}

    def _perform(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "initialize":
            info = {"name": "keepline-fleet", "version": "1"}
            capabilities: dict[str, Any] = {"tools": {}}
            return _result(
                protocolVersion=PROTOCOL_VERSION, capabilities=capabilities, serverInfo=info
            )
        if method == "tools/list":
            return _result(tools=_TOOLS)
        if method == "tools/call":
            return self._call(params.get("name"), params.get("arguments"))
        return _error(f"Method not implemented: {method}")

    def _call(self, name: object, arguments: object) -> dict[str, Any]:
        if not isinstance(name, str):
            return _error("Missing name")
        if not (arguments is None or isinstance(arguments, dict)):
            return _error("Invalid arguments")
        if name == "self.get_device_status":
            return _text(f'{{"audio_speaker":{{"volume":{self.volume}}}}}')
        if name != "self.audio_speaker.set_volume":
            return _error(f"Unknown tool: {name}")
        volume = (arguments or {}).get("volume")
        if isinstance(volume, bool) or not isinstance(volume, int | float):
            return _error("Missing valid argument: volume")
        if not 0 <= volume <= 100:  # noqa: PLR2004 (per cent)
            return _error("Value is beyond what is allowed")
        self.volume = int(volume)
        return _text("true")


def _as_read(number: float) -> int:
    return int(max(-_MOST_ID - 1, min(_MOST_ID, number)))


def _text(text: str) -> dict[str, Any]:
    return _result(content=[{"type": "text", "text": text}], isError=False)


def _result(**fields: Any) -> dict[str, Any]:
    return {"result": fields}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}
