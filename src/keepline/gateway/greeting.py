"""Between the 101 and the session: wait for the device's hello, keep what comes right behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.errors import HelloError
from keepline.gateway.receiver import Receiver
from keepline.reasons import CloseReason
from keepline.wire.hello import read_hello

if TYPE_CHECKING:
    import asyncio

    from keepline.gateway.session import Session
    from keepline.wire.messages import Hello

EARLY_LIMIT = 16
"""Messages a device may send behind its hello before it was answered; stock firmware sends none."""

CACHED_CHARACTERS = 1_024
"""Stock hellos have about 300; longer ones are parsed every time."""


class HelloCache:
    """One shared `Hello` for all devices that say the same words, as a firmware's all do.

    It saves 400 bytes a session and the parsing; bounded, so that odd hellos only lose the gain.
    """

    __slots__ = ("_by_text", "_limit")

    def __init__(self, limit: int = 256) -> None:
        self._by_text: dict[str, Hello] = {}
        self._limit = limit

    def forget(self) -> None:
        """Give its memory back: a hello is parsed again."""
        self._by_text.clear()

    def read(self, text: str) -> Hello:
        """Return the hello in `text`. Raises HelloError when it is no usable one."""
        hello = self._by_text.get(text)
        if hello is None:
            hello = read_hello(text)
            # A browser's names one device, and holds its token.
            is_shared = not hello.device_id and len(text) <= CACHED_CHARACTERS
            if is_shared and len(self._by_text) < self._limit:
                self._by_text[text] = hello
        return hello


class Greeting(Receiver):
    """Takes an upgraded connection's messages until its session does."""

    __slots__ = ("_cache", "_early", "_hello", "_overflowed", "device_id", "said")

    def __init__(self, cache: HelloCache, loop: asyncio.AbstractEventLoop) -> None:
        self._cache = cache
        self._hello: asyncio.Future[Hello] = loop.create_future()
        self._early: list[str | bytes] = []
        self._overflowed = False
        self.device_id = ""
        self.said = ""  # its hello, word for word

    async def hello(self) -> Hello:
        """Return the hello. Raises HelloError, or ConnectionResetError when the device leaves."""
        return await self._hello

    def pass_on(self, session: Session) -> None:
        """Give what came behind the hello to the session that takes the messages now."""
        if self._overflowed:
            session.close(CloseReason.INBOX_OVERFLOW)
        for message in self._early:
            if session.connection.lifecycle.reason is not None:
                return
            if isinstance(message, str):
                session.receive_text(message)
            else:
                session.receive_binary(message)

    # -- from the connection ---------------------------------------------------------------

    def receive_text(self, text: str) -> None:
        """Take the first text as the hello and keep a few later messages."""
        if self._hello.done():
            self._keep(text)
            return
        self.said = text
        try:
            self._hello.set_result(self._cache.read(text))
        except HelloError as error:
            self._hello.set_exception(error)

    def receive_binary(self, data: bytes) -> None:
        """Audio cannot come before the hello."""
        if self._hello.done():
            self._keep(data)
        else:
            self._hello.set_exception(HelloError("audio before the hello"))

    def _keep(self, message: str | bytes) -> None:
        if len(self._early) < EARLY_LIMIT:
            self._early.append(message)
        else:
            self._overflowed = True

    def end(self, reason: CloseReason) -> None:
        """Fail whoever waits for the hello."""
        if not self._hello.done():
            self._hello.set_exception(ConnectionResetError(reason.cause))
