"""The process before this one, while it leaves: asked for each device that comes over."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Final

from keepline.app.line import Line
from keepline.app.parts import Gathered, in_parts
from keepline.errors import NoAnswerError, StartError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from typing import Any

    from keepline.app.line import Message
    from keepline.log import Log

GIVE_UP_S: Final = 4.0
"""How long a device is made to wait for what it left behind; it gives up after 10 s itself."""

MOST_ASKED: Final = 64
"""How many devices are asked for at once: no more messages than the line takes."""

TAKE_OVER_S: Final = 10.0

ANSWER_S: Final = 4.0
"""How long an operator waits for what it has to say; the command itself gives up after 10 s."""

MOST_QUESTIONS: Final = 4
"""Of operators at once: devices that come over go first."""


class Elder:
    """See `hub.local.Elder`. `on_gone` is called once, when that process has ended."""

    def __init__(
        self,
        sock: socket.socket,
        life: str,
        *,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        on_gone: Callable[[], None],
    ) -> None:
        self.name = life
        self.is_here = True
        self._loop = loop
        self._log = log
        self._on_gone = on_gone
        self._numbers = count()
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._room = asyncio.Semaphore(MOST_ASKED)
        self._questions: dict[int, asyncio.Future[Any]] = {}
        self._desk = asyncio.Semaphore(MOST_QUESTIONS)
        self._gathered = Gathered()
        self._taken: asyncio.Future[None] = loop.create_future()
        self._line = Line(sock, loop, self._on_message, self._on_end)

    async def give_up(self, device_id: str) -> None:
        """Have it end its session of a device, with all it leaves written; at once without one."""
        number = next(self._numbers)
        answer: asyncio.Future[None] = self._loop.create_future()
        try:
            async with asyncio.timeout(GIVE_UP_S), self._room:
                self._answers[number] = answer
                if self._line.say({"ask": "give_up", "device": device_id, "number": number}):
                    await answer
        except TimeoutError:
            # Whatever it writes from now on is refused, a claim that still waits there as well: the
            # claim that follows is newer.
            self._log.warning("elder_too_slow", device_id=device_id)
        finally:
            self._answers.pop(number, None)

    async def ask(self, asked: Mapping[str, Any]) -> Any:
        """Return its answer to an operator's question, None once it has gone.

        Raises NoAnswerError when it gives none.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Any] = self._loop.create_future()
        try:
            async with asyncio.timeout(ANSWER_S), self._desk:
                self._questions[number] = answer
                for part in in_parts(asked):
                    if not self._line.say({"ask": "answer", "number": number, **part}):
                        return None
                return await answer
        except TimeoutError:
            raise NoAnswerError(
                f"the process that leaves has not answered within {ANSWER_S:g} s"
            ) from None
        finally:
            self._questions.pop(number, None)

    def revoke(self, device_id: str) -> None:
        """Have it end the session of a device that is not to be let in any more."""
        self._line.say({"ask": "revoke", "device": device_id})

    async def take_over(self) -> None:
        """Have it accept nobody any more and leave. Raises StartError when it does not answer.

        One that has gone meanwhile has left everything to us already.
        """
        if self._line.say({"ask": "take_over"}):
            try:
                async with asyncio.timeout(TAKE_OVER_S):
                    await self._taken
            except TimeoutError:
                self._line.close()  # so that it cannot hand over when it comes to: we are leaving
                raise StartError(
                    "the process before this one does not answer any more",
                    "it goes on, and has its devices; look at its log",
                ) from None

    def close(self) -> None:
        """Ask it nothing any more; idempotent."""
        self._line.close()

    def _on_message(self, _line: Line, message: Message) -> None:
        match message.get("told"):
            case "given_up":
                answer = self._answers.get(message.get("number", -1))
                if answer is not None and not answer.done():
                    answer.set_result(None)
            case "yours" if not self._taken.done():
                self._taken.set_result(None)
            case "answer":
                is_whole, said = self._gathered.add(message)
                asked = self._questions.get(message.get("number", -1))
                if is_whole and asked is not None and not asked.done():
                    asked.set_result(said)
            case "failed":  # it is of a version that answers no operators
                for asked in self._questions.values():
                    if not asked.done():
                        asked.set_exception(
                            NoAnswerError("the process that leaves cannot be asked")
                        )

    def _on_end(self, _line: Line) -> None:
        self.is_here = False
        for waiting in (self._taken, *self._answers.values(), *self._questions.values()):
            if not waiting.done():
                waiting.set_result(None)
        self._on_gone()
