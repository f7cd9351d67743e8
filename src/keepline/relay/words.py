"""Pure: the little that a relay reads of what is said: hellos, session ids, who is speaking."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from keepline.wire.messages import ServerHello, parse_server_message

_SESSION_ID: Final = re.compile(r'("session_id"\s*:\s*")([^"\\]*)(?=")')


def read_hello(text: str) -> ServerHello | None:
    """Return an upstream's hello, None for any other message."""
    if '"hello"' not in text:
        return None
    message = parse_server_message(text)
    return message if isinstance(message, ServerHello) else None


def with_session_id(text: str, before: str, after: str) -> str:
    """Return a message that names session `before` with `after` in its place, others as it is."""
    written = msgspec.json.encode(after).decode()[1:-1]
    return _SESSION_ID.sub(
        lambda found: found[1] + written if found[2] == before else found[0], text
    )


def speaking(text: str, *, before: bool) -> bool:
    """Return whether the device is speaking after this message from its server."""
    if '"tts"' not in text:
        return before
    if '"start"' in text:
        return True
    return before and '"stop"' not in text


def listening(text: str, before: str | None) -> str | None:
    """Return the `listen start` that holds after this message from the device, None for none."""
    if '"listen"' not in text:
        return before
    if '"start"' in text:
        return text
    return None if '"stop"' in text else before
