"""The workers of a machine, asked over sockets in a directory that is theirs alone."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ANSWER_S: Final = 4.0
BACKLOG: Final = 64
NOBODY: Final = 504


class Question(NamedTuple):
    """What is asked: a request without where it goes to."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


class Reply(NamedTuple):
    """What a worker answered; `status` is NOBODY, and `body` empty, when it did not."""

    slot: int
    status: int
    body: bytes
    content_type: str = "application/json"

    @property
    def is_good(self) -> bool:
        """Whether it did what was asked."""
        return httpx.codes.is_success(self.status)


class Workers:
    """Asks them, with the token of operators; `slots` returns who there is."""

    def __init__(
        self,
        slots: Callable[[], Sequence[int]],
        path_of: Callable[[int], Path],
        token: str | None = None,
    ) -> None:
        self.slots = slots
        self._path_of = path_of
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}

    async def ask(self, slot: int, question: Question) -> Reply:
        """Return the answer of one, within ANSWER_S."""
        # There is no TLS: to read the certificates of all the world would hold up the loop.
        transport = httpx.AsyncHTTPTransport(uds=str(self._path_of(slot)), verify=False)
        path = f"{question.path}?{question.query}" if question.query else question.path
        headers = dict(self._headers)
        if question.method == "POST":
            headers["content-type"] = "application/json"
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
            ):
                answer = await client.request(
                    question.method, path, content=question.body, headers=headers
                )
        except (httpx.HTTPError, TimeoutError):
            return Reply(slot, NOBODY, b"")
        kind = answer.headers.get("content-type", "application/json")
        return Reply(slot, answer.status_code, answer.content, kind)

    async def ask_all(self, question: Question) -> list[Reply]:
        """Return the answers of all, in the order of their slots."""
        return list(await asyncio.gather(*(self.ask(slot, question) for slot in self.slots())))


def listen_at(path: Path) -> socket.socket:
    """Return a socket at which one worker answers the others."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.bind(str(path))
    sock.listen(BACKLOG)
    return sock
