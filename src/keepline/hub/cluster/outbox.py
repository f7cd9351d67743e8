"""Events on their way from a node's own file to the stream of all: none is lost, none told twice.

They stand in the file first, so the engine may be away for days. What was sent is noted after the
engine has it; what is sent again after that was lost has the same id, and the engine drops it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from keepline.errors import HubDownError
from keepline.hub.cluster.records import EVENT, EVENTS, token

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keepline.hub.cluster.stream import Streams
    from keepline.hub.local import LocalHub
    from keepline.hub.port import Event

MEMO: Final = "cluster_outbox"
AT_ONCE: Final = 200


class Sent(Struct, frozen=True):
    """Up to which event of which file all is in the stream."""

    file: str
    id: int


class Told(Struct, frozen=True, omit_defaults=True):
    """An event as everybody may read it."""

    node: str
    at: float
    device_id: str
    kind: str
    data: Raw | str


class Outbox:
    """Sends in order, a batch at a time. `file` names the node's file as long as it exists."""

    def __init__(
        self, local: LocalHub, streams: Streams, *, node: str, make_name: Callable[[], str]
    ) -> None:
        self._local = local
        self._streams = streams
        self._node = node
        self._make_name = make_name
        self._sent: Sent | None = None
        self._has_more = True
        self._sending: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether all that was noted is in the stream."""
        return not self._has_more and self._sending is None

    def noted(self) -> None:
        """There is a new event."""
        self._has_more = True

    def each_second(self) -> None:
        """Send what there is, unless that goes on already."""
        if self._has_more and self._sending is None and self._streams.trouble is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())
            self._sending.add_done_callback(self._done)

    async def stop(self, within_s: float) -> None:
        """Send what there is within a bound; the rest is in the file."""
        self.each_second()
        if self._sending is not None:
            await asyncio.wait({self._sending}, timeout=within_s)
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})

    async def tell(self, kind: str, at: float, data: bytes, message_id: str) -> None:
        """Send what several nodes notice, each of them, under one id: it stands there once."""
        told = Told(self._node, at, "", kind, Raw(data))
        with suppress(HubDownError):  # somebody else will have told
            await self._streams.write(
                EVENTS, EVENT + token(kind), json.encode(told), message_id=message_id
            )

    async def _send(self) -> None:
        try:
            sent = self._sent or await self._recall()
            while self._has_more:
                self._has_more = False
                events = await self._local.events(sent.id, limit=AT_ONCE)
                if not events:
                    break
                self._has_more = True
                await asyncio.gather(*self._written(sent.file, events))
                sent = self._sent = Sent(sent.file, events[-1].id)
                self._local.keep_memo(MEMO, json.encode(sent))
        except HubDownError:
            self._has_more = True  # next second

    def _written(self, file: str, events: Sequence[Event]) -> list[asyncio.Future[int | None]]:
        loop = asyncio.get_running_loop()
        return [
            loop.create_task(
                self._streams.write(
                    EVENTS,
                    EVENT + token(event.kind),
                    json.encode(self._told(event)),
                    message_id=f"{file}:{event.id}",
                )
            )
            for event in events
        ]

    def _told(self, event: Event) -> Told:
        data: Raw | str
        try:
            json.decode(event.data)
            data = Raw(event.data)
        except (DecodeError, ValidationError):
            data = event.data.decode("utf-8", "replace")
        return Told(self._node, event.at, event.device_id, event.kind, data)

    async def _recall(self) -> Sent:
        kept = await self._local.memo(MEMO)
        try:
            sent = json.decode(kept or b"", type=Sent)
        except (DecodeError, ValidationError):
            sent = Sent(self._make_name(), 0)
            self._local.keep_memo(MEMO, json.encode(sent))
        self._sent = sent
        return sent

    def _done(self, task: asyncio.Task[None]) -> None:
        self._sending = None
        if not task.cancelled():
            task.exception()
