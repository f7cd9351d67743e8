"""Tasks and threads that should have ended with their session and did not: held, named, counted."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from keepline.gateway.isolation.places import kind_of, name_of, place_of_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from keepline.gateway.auth.contract import Authenticator
    from keepline.gateway.calls import Calls
    from keepline.gateway.node import Node

PATIENCE_S: Final = 5.0
"""How long a cancelled task may take to end before it is one that ignores it."""


class Stray(NamedTuple):
    """One that goes on: whose it was, what it was called for, since when its session has gone."""

    handler: str
    call: str
    device_id: str
    session_id: str
    since: float
    place: Callable[[], str]


class Strays:
    """What has been told to end is looked at once, `PATIENCE_S` later; all of it, once a second."""

    __slots__ = ("_node", "_told", "_waiting")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._waiting: list[tuple[asyncio.Task[Any], Stray]] = []
        self._told: dict[asyncio.Task[Any] | Future[Any], Stray] = {}

    def __len__(self) -> int:
        return len(self._told)

    def found(self) -> tuple[tuple[str, Stray], ...]:
        """Return what goes on, and whether it is a task or a thread."""
        return tuple(
            ("task" if isinstance(each, asyncio.Task) else "thread", stray)
            for each, stray in self._told.items()
        )

    def expect(
        self, tasks: Iterable[asyncio.Task[Any]], session: Calls, called: Callable[..., object]
    ) -> None:
        """These were cancelled: tell about those that do not end."""
        for task in tasks:
            if not task.done():
                stray = self._of(session, called, partial(place_of_task, task))
                self._waiting.append((task, stray))

    def admission(self, task: asyncio.Task[Any], judge: Authenticator | None) -> None:
        """The admission of a device was given up: tell about it if it does not end.

        `judge` is who had its request just then, None where it waited for something else.
        """
        if judge is None:
            whose, call = "keepline", name_of(task.get_coro())
        else:
            whose, call = kind_of(judge), name_of(judge.judge)
        place = partial(place_of_task, task)
        self._waiting.append((task, Stray(whose, call, "", "", self._node.ticker.now, place)))

    def thread(
        self,
        running: Future[Any],
        session: Calls,
        called: Callable[..., object],
        place: Callable[[], str],
    ) -> None:
        """A thread has not come back from its call, and its session has gone."""
        self._keep(running, self._of(session, called, place))

    def each_second(self, now: float) -> None:
        """Tell about those whose time to end is over."""
        late = [each for each in self._waiting if now - each[1].since >= PATIENCE_S]
        if not late:
            return
        self._waiting = [each for each in self._waiting if now - each[1].since < PATIENCE_S]
        for task, stray in late:
            if not task.done():
                self._keep(task, stray)

    def _of(self, session: Calls, called: Callable[..., object], place: Callable[[], str]) -> Stray:
        return Stray(
            kind_of(type(session.handler)),
            name_of(called),
            session.device_id,
            session.session_id,
            self._node.ticker.now,
            place,
        )

    def _keep(self, each: asyncio.Task[Any] | Future[Any], stray: Stray) -> None:
        self._told[each] = stray
        if isinstance(each, asyncio.Task):
            each.add_done_callback(self._ended)
        else:
            each.add_done_callback(self._thread_ended)
        self._node.log.error(
            "handler_does_not_end",
            what="task" if isinstance(each, asyncio.Task) else "thread",
            handler=stray.handler,
            call=stray.call,
            at=stray.place(),
            device_id=stray.device_id,
            session_id=stray.session_id,
        )

    def _thread_ended(self, running: Future[Any]) -> None:
        """Tell the loop, in the thread that has come back."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._node.loop.call_soon_threadsafe(self._ended, running)

    def _ended(self, each: asyncio.Task[Any] | Future[Any]) -> None:
        stray = self._told.pop(each, None)
        if stray is not None:
            self._node.log.info(
                "handler_has_ended",
                handler=stray.handler,
                call=stray.call,
                device_id=stray.device_id,
                after_s=round(self._node.ticker.now - stray.since, 1),
            )
