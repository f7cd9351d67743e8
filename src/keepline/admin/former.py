"""The process before this one, while it leaves: operators ask us, and we ask it what it has.

Both sides are here; how a question gets there and an answer back is somebody else's business.
"""

from __future__ import annotations

from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from keepline.admin import own
from keepline.admin.views import Kicked, LiveView, Sent, SessionPage
from keepline.errors import CommandError, HubError, NoAnswerError, NotConnectedError
from keepline.lifecycle.states import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.gateway.node import Node

Asked: TypeAlias = "dict[str, Any]"
V = TypeVar("V", bound=BaseModel)

OTHER_WORDS: Final = "the process that leaves is of another version, and its answer was not read"
_CANNOT: Final = {CommandError: "command", NotConnectedError: "not_here"}


async def nobody(_asked: Asked) -> Any:
    """There is no process before this one."""
    return None


class Former:
    """Asks it. Each question is answered with None by one that has gone, or has not the device.

    Each raises NoAnswerError when it does not answer, or in words of another version.
    """

    def __init__(self, ask: Callable[[Asked], Awaitable[Any]] = nobody) -> None:
        self._ask = ask

    async def device(self, device_id: str) -> LiveView | None:
        """Return how a device is doing that it has."""
        found = _read(LiveView, await self._ask({"what": "device", "device": device_id}))
        return None if found is None else found.model_copy(update={"former": True})

    async def kick(self, device_id: str) -> Kicked | None:
        """Have it end a session."""
        return _read(Kicked, await self._ask({"what": "kick", "device": device_id}))

    async def send(self, device_id: str, message: dict[str, Any]) -> Sent | None:
        """Have it send a message. Raises CommandError for what no device understands."""
        asked = {"what": "send", "device": device_id, "message": message}
        return _read(Sent, await self._ask(asked))

    async def sessions(
        self, *, state: State | None, prefix: str, cursor: int, limit: int
    ) -> SessionPage | None:
        """Return its page of sessions."""
        about = {"state": None if state is None else state.value, "prefix": prefix}
        asked = {"what": "sessions", **about, "cursor": cursor, "limit": limit}
        page = _read(SessionPage, await self._ask(asked))
        for session in () if page is None else page.sessions:
            session.former = True
        return page


def _read(kind: type[V], answer: Any) -> V | None:
    try:
        if answer is None or answer.get("cannot") == "not_here":
            return None
        if answer.get("cannot") == "command":
            raise CommandError(str(answer.get("why")))
        if "cannot" in answer:
            raise NoAnswerError(f"the process that leaves could not answer: {answer.get('why')}")
        return kind.model_validate(answer)
    except (AttributeError, ValidationError):
        raise NoAnswerError(OTHER_WORDS) from None


def both(ours: SessionPage, theirs: SessionPage | None, limit: int) -> SessionPage:
    """Return one page of both processes' sessions; claims are numbered for both together."""
    if theirs is None:
        return ours
    found = list(merge(ours.sessions, theirs.sessions, key=attrgetter("claim")))
    limit += sum(not each.claim for each in found)
    more = len(found) > limit or ours.next is not None or theirs.next is not None
    found = found[:limit]
    total = ours.total + theirs.total
    return SessionPage(total=total, sessions=found, next=found[-1].claim if more else None)


async def answer(node: Node, asked: Asked) -> Asked:
    """Return what this process, the former one, has to say to what it is asked."""
    try:
        found = await _found(node, asked)
    except HubError as error:
        return {"cannot": _CANNOT.get(type(error), "failed"), "why": str(error)}
    except Exception as error:  # noqa: BLE001 (another version asks: what it says may be anything)
        node.isolation.faults.of_ours(error, "question_failed")
        return {"cannot": "failed", "why": type(error).__name__}
    return {"cannot": "not_here"} if found is None else found.model_dump(mode="json")


async def _found(node: Node, asked: Asked) -> BaseModel | None:
    match asked.get("what"):
        case "device":
            return own.live(node, asked["device"])
        case "kick":
            return own.kick(node, asked["device"])
        case "send":
            return await own.send(node, asked["device"], asked["message"])
        case "sessions":
            state = None if asked["state"] is None else State(asked["state"])
            return await own.page_of(
                node,
                state=state,
                prefix=asked["prefix"],
                cursor=asked["cursor"],
                limit=asked["limit"],
            )
        case what:
            raise NoAnswerError(f"it does not know the question {str(what)[:40]!r}")
