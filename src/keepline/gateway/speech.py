"""Speaking: `tts start`, subtitles and packets at the pace of the ear, `tts stop`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from keepline.errors import HandlerError
from keepline.wire.messages import Tts

if TYPE_CHECKING:
    from collections.abc import Generator

    from keepline.gateway.sending import Sending
    from keepline.gateway.speaker import Speaker

Part: TypeAlias = bytes | str
"""An Opus packet, or the subtitle of the packets that follow."""

Parts: TypeAlias = Iterable[Part] | AsyncIterable[Part]

BETWEEN_S = 0.05
"""After a speech the next may still join its turn: who awaited the first has had time to speak."""


class Speech:
    """Something being said. Await it to wait until it was heard; it returns itself.

    `cancelled` says that it was cut: by the device's `abort` or `listen start`, by `cancel`, or by
    the end of the session. Cancelling who awaits it cuts it. What its parts raise is raised where
    it is awaited; when nobody awaits it, it is a failure of the handler.
    """

    __slots__ = ("_done", "cancelled", "is_awaited", "parts", "text", "turn")

    def __init__(self, loop: asyncio.AbstractEventLoop, parts: Parts, text: str | None) -> None:
        self._done: asyncio.Future[None] = loop.create_future()
        self.turn: Turn | None = None
        self.parts: Parts = parts
        self.text = text
        self.cancelled = False
        self.is_awaited = False

    @property
    def done(self) -> bool:
        """Whether it was heard or cut."""
        return self._done.done()

    @property
    def ended(self) -> asyncio.Future[None]:
        """What is done when it was heard or cut."""
        return self._done

    def cancel(self) -> None:
        """Say no more of it; idempotent."""
        if self.turn is not None:
            self.turn.drop(self)

    def __await__(self) -> Generator[object, None, Speech]:
        self.is_awaited = True
        try:
            yield from asyncio.shield(self._done).__await__()
        except asyncio.CancelledError:
            self.is_awaited = False
            self.cancel()
            raise
        return self

    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled else "done" if self.done else "under way"
        return f"<Speech {state}>"

    def end(self, *, cancelled: bool = False, error: Exception | None = None) -> None:
        """Note how it ended, once, and let go of what it was made of."""
        if self.done:
            return
        self.cancelled = cancelled
        self.turn = None
        self.parts = ()
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)


class Turn:
    """One turn to speak: speeches between one `tts start` and its `tts stop`, and their task."""

    __slots__ = (
        "_current",
        "_news",
        "_packets",
        "_session",
        "_speaker",
        "_task",
        "began_at",
        "waiting",
    )

    def __init__(self, session: Sending, speaker: Speaker) -> None:
        self._session = session
        self._speaker = speaker
        self._current: Speech | None = None
        self._news = asyncio.Event()
        self._packets = 0
        self._task: asyncio.Task[None] | None = None
        self.began_at = self._now()
        self.waiting: deque[Speech] = deque()

    def say(self, speech: Speech) -> None:
        """Have `speech` said after those that wait."""
        speech.turn = self
        self.waiting.append(speech)
        self._news.set()
        if self._task is None:
            self._session.tell(Tts("start"))
            self._task = self._session.hold(self._play(), self._session.speak)

    def cut(self) -> None:
        """Say no more: `tts stop` at once, and every speech is cancelled."""
        self._end()
        if self._task is not None:
            self._task.cancel()

    def drop(self, speech: Speech) -> None:
        """Cancel one speech; those behind it are said all the same, in a turn of their own."""
        if speech is not self._current:
            self.waiting.remove(speech)
            speech.end(cancelled=True)
            return
        rest = list(self.waiting)
        self.waiting.clear()
        self.cut()
        for other in rest:
            self._speaker.say(other)

    def _end(self) -> None:
        speeches = list(self.waiting)
        self.waiting.clear()
        if self._current is not None:
            speeches.append(self._current)
            self._current = None
        if self._speaker.turn is self:
            self._speaker.turn = None
            self._session.tell(Tts("stop"))
        for speech in speeches:
            speech.end(cancelled=True)

    async def _play(self) -> None:
        try:
            while self.waiting:
                self._current = speech = self.waiting.popleft()
                self._news.clear()
                error = await self._say(speech)
                if error is None:
                    await self._rest(self._speaker.pace.rest_s(self._now()))
                self._current = None
                speech.end(error=error)
                await self._rest(BETWEEN_S)
        finally:
            self._end()

    async def _say(self, speech: Speech) -> Exception | None:
        """Say one speech; what its parts raise is returned for who awaits it, else raised."""
        parts = speech.parts
        try:
            if speech.text is not None:
                await self._utter(speech.text)
            if isinstance(parts, AsyncIterable):
                async with _closing(aiter(parts)) as coming:
                    async for part in coming:
                        await self._utter(part)
            else:
                for part in parts:
                    await self._utter(part)
        except Exception as error:
            if speech.is_awaited:
                return error
            raise
        return None

    async def _utter(self, part: object) -> None:
        if isinstance(part, str):
            self._session.tell(Tts("sentence_start", part))
            await asyncio.sleep(0)  # who has nothing but texts must not keep the loop
            return
        if not isinstance(part, bytes):
            raise HandlerError(
                f"a part of a speech is an Opus packet as bytes, or a subtitle as str,"
                f" not {type(part).__name__}"
            )
        while (wait_s := self._wait_s()) > 0:  # noqa: ASYNC110 (nothing happens: time passes)
            await asyncio.sleep(wait_s)
        pace = self._speaker.pace
        packet = self._session.pack(part, round(self._packets * pace.packet_s * 1_000))
        self._packets += 1
        pace.sent(self._now())
        self._session.transmit(packet)

    def _wait_s(self) -> float:
        pace = self._speaker.pace
        if self._session.connection.outbox is not None:  # the device does not take what it has
            return pace.packet_s
        return pace.wait_s(self._now())

    async def _rest(self, for_s: float) -> None:
        """Wait, unless there is more to say."""
        if for_s <= 0 or self.waiting:
            return
        try:
            async with asyncio.timeout(for_s):
                await self._news.wait()
        except TimeoutError:
            return

    def _now(self) -> float:
        return self._session.connection.node.clock.now()


@asynccontextmanager
async def _closing(coming: AsyncIterator[Part]) -> AsyncIterator[AsyncIterator[Part]]:
    """Have an async generator end when nobody wants more of it."""
    try:
        yield coming
    finally:
        if isinstance(coming, AsyncGenerator):
            await coming.aclose()
