"""What comes back from a server that is asked about a device: bounded, or no answer at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Protocol

    class Body(Protocol):
        """What is used of an `httpx.Response`."""

        def aiter_raw(self) -> AsyncIterator[bytes]: ...


class UnusableError(Exception):
    """A server said nothing that could be used.

    `is_well` when it is the question that it disliked, and not the server that is ill.
    """

    def __init__(self, detail: str, *, is_well: bool = False) -> None:
        super().__init__(detail)
        self.is_well = is_well


async def read_bounded(body: Body, most_bytes: int) -> bytes:
    """Return a body as it was sent. Raises UnusableError beyond `most_bytes`."""
    read = b""
    async for part in body.aiter_raw():
        read += part
        if len(read) > most_bytes:
            raise UnusableError(f"an answer of more than {most_bytes} bytes")
    return read
