"""The tools of a device on the stage, answered as the firmware does: errors have no code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Tool: TypeAlias = "Callable[..., Any] | str | bool | float | None"
"""What a tool answers, or a function of its arguments that returns it or raises."""

PROTOCOL_VERSION = "2024-11-05"


def answer(tools: Mapping[str, Tool], payload: Any) -> dict[str, Any] | None:
    """Return the JSON-RPC answer to `payload`; None for what is no request."""
    if not isinstance(payload, dict) or "method" not in payload or "id" not in payload:
        return None
    outcome = _outcome(tools, payload["method"], payload.get("params") or {})
    return {"jsonrpc": "2.0", "id": payload["id"], **outcome}


def _outcome(tools: Mapping[str, Tool], method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        info = {"name": "stage", "version": "1"}
        return _result(protocolVersion=PROTOCOL_VERSION, capabilities={}, serverInfo=info)
    if method == "tools/list":
        schema = {"type": "object", "properties": {}}
        return _result(
            tools=[{"name": name, "description": "", "inputSchema": schema} for name in tools]
        )
    if method != "tools/call":
        return _error(f"Method not implemented: {method}")
    name = params.get("name")
    if not isinstance(name, str) or name not in tools:
        return _error(f"Unknown tool: {name}")
    tool = tools[name]
    try:
        value = tool(**params.get("arguments") or {}) if callable(tool) else tool
    except Exception as error:  # noqa: BLE001 (the device tells it, and lives on)
        return _error(str(error))
    text = value if isinstance(value, str) else json.dumps(value)
    return _result(content=[{"type": "text", "text": text}], isError=False)


def _result(**fields: Any) -> dict[str, Any]:
    return {"result": fields}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}
