"""What a device that acknowledges has not acknowledged yet: it is said again until it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.wire.messages import Alert, Custom, System, parse_server_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The rest belongs to a conversation that is over, or to a call whose caller was told that it
# failed: said again it would do harm.
LASTING: Final = (Alert, Custom, System)

MOST_BYTES: Final = 57_344
"""All that waits of one device: with a snapshot of 64 KiB it fits into what a hub keeps."""


class Named(NamedTuple):
    """A message under its id."""

    message_id: str
    text: str


def named(text: str, message_id: str) -> Named | None:
    """Return a message under an id, None for one that means nothing later.

    One that has an id already keeps it: it was sent before, or its sender knows it by that.
    """
    message = parse_server_message(text)
    if not isinstance(message, LASTING):
        return None
    if message.message_id:
        return Named(message.message_id, text)
    body = text.rstrip().removesuffix("}")
    return Named(message_id, f'{body},"message_id":"{message_id}"}}')


def lasting(texts: Iterable[str]) -> tuple[str, ...]:
    """Return those of the messages a device never got that still mean something later."""
    return tuple(text for text in texts if isinstance(parse_server_message(text), LASTING))


def within_bounds(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return as many of the messages as are kept of one device, the oldest first."""
    left_bytes = MOST_BYTES
    for count, text in enumerate(texts):
        left_bytes -= len(text.encode())
        if left_bytes < 0:
            return texts[:count]
    return texts


class Delivery:
    """The messages of one session that wait for their acknowledgement, in the order of sending."""

    __slots__ = ("_limit", "_waiting", "_waiting_bytes")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, str] = {}
        self._waiting_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the texts, the oldest first."""
        return iter(self._waiting.values())

    def take(self, message: Named) -> bool:
        """Have a message wait; False when there is no room for it."""
        if message.message_id in self._waiting:
            return True  # said twice, it is still one message
        size_bytes = len(message.text.encode())
        if len(self._waiting) >= self._limit or self._waiting_bytes + size_bytes > MOST_BYTES:
            return False
        self._waiting[message.message_id] = message.text
        self._waiting_bytes += size_bytes
        return True

    def acknowledge(self, message_id: str) -> None:
        """Forget a message that has come; one that nobody waits for was acknowledged before."""
        text = self._waiting.pop(message_id, None)
        if text is not None:
            self._waiting_bytes -= len(text.encode())
