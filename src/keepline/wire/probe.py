"""Data messages that mean nothing: they keep a device's channel, and can bring a sign of life.

A device that speaks MCP is sent a request for a method that nobody has; stock firmware answers it
with an error. It takes no id but a number, which it reads as a signed 32-bit integer, and drops a
request with any other unanswered. Everybody else is sent an object of an unknown `type`, which
stock firmware leaves alone.
"""

from __future__ import annotations

from typing import Final

import msgspec

LAST_ID: Final = -2_000_000_000
"""Ids of ours are this and the 99,999,999 below it; whoever else asks the device counts upwards."""

_IDS: Final = 100_000_000
_MARK: Final = "-20"  # how each id of ours begins
_LONGEST_ANSWER: Final = 1_024

UNANSWERED: Final = '{"type":"keepalive"}'
"""For a device that does not speak MCP."""


class _Payload(msgspec.Struct, gc=False):
    id: int
    method: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Answer(msgspec.Struct, tag_field="type", tag="mcp", gc=False):
    payload: _Payload


_DECODER: Final = msgspec.json.Decoder(_Answer)


def probe_text(number: int) -> str:
    """Return the request whose answer is known by `number`, of which the lower part counts."""
    return (
        '{"type":"mcp","payload":{"jsonrpc":"2.0","method":"keepline/alive","id":'
        f"{LAST_ID - number % _IDS}}}}}"
    )


def answered_probe(text: str) -> int | None:
    """Return the number of the probe that `text` answers, None when it answers none.

    Never raises, whatever `text` is. A number that was never sent is a number all the same.
    """
    if len(text) > _LONGEST_ANSWER or _MARK not in text:
        return None
    try:
        payload = _DECODER.decode(text).payload
    except (ValueError, RecursionError):
        return None
    number = LAST_ID - payload.id
    is_answer = payload.method is msgspec.UNSET and 0 <= number < _IDS
    return number if is_answer else None
