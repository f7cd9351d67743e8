"""Messages that are longer than a packet of a line, in parts: said in order, and put together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.app.line import Message

PART_CHARACTERS: Final = 3_500
"""Of ASCII, at most doubled where they are quoted: with what is around them less than a packet."""

MOST_CHARACTERS: Final = 4_000_000
"""A page of a thousand sessions has half a million."""

MOST_GATHERED: Final = 64
"""So many messages are put together at once."""


def in_parts(message: object) -> Iterator[Message]:
    """Yield the parts of a message; each is to be said with the number of the message."""
    text = json.dumps(message)
    for at in range(0, len(text), PART_CHARACTERS):
        end = at + PART_CHARACTERS
        yield {"part": text[at:end], "more": end < len(text)}


class Gathered:
    """Messages of one line whose parts come in."""

    def __init__(self) -> None:
        self._parts: dict[object, list[str]] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, part: Message) -> tuple[bool, Any]:
        """Return whether that was the last part, and the message then; None for what is none."""
        number = part.get("number")
        parts = self._parts.setdefault(number, [])
        parts.append(str(part.get("part")))
        is_too_much = len(parts) * PART_CHARACTERS > MOST_CHARACTERS
        if part.get("more") is True and not is_too_much and len(self._parts) <= MOST_GATHERED:
            return False, None
        del self._parts[number]
        try:
            return True, json.loads("".join(parts))
        except ValueError:
            return True, None
