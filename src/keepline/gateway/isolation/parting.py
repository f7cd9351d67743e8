"""What an embedding program wants to be told of every session that has gone."""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.gateway.node import Node
    from keepline.reasons import CloseReason


class Gone(NamedTuple):
    """A session that has been cleaned up: its device may be back by now."""

    device_id: str
    session_id: str
    reason: CloseReason
    detail: str
    age_s: float


OnGone: TypeAlias = "Callable[[Gone], Awaitable[None] | None]"


class Callbacks:
    """Called in order, each in a fence; what they await has `session.closed_timeout_s` in all."""

    __slots__ = ("_called", "_node")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._called: list[OnGone] = []

    def __bool__(self) -> bool:
        return bool(self._called)

    def add(self, callback: OnGone) -> None:
        """Have `callback` called for every session that goes from now on."""
        self._called.append(callback)

    def call(self, gone: Gone) -> Awaitable[None] | None:
        """Call them; what is left to await is returned, else None."""
        rests = []
        for callback in self._called:
            try:
                rest = callback(gone)
            except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 (outside code: a fence)
                self._on_failure(gone, error)
                continue
            if isawaitable(rest):
                rests.append(rest)
        return self._wait(gone, rests) if rests else None

    async def _wait(self, gone: Gone, rests: list[Awaitable[None]]) -> None:
        bound_s = self._node.settings.session.closed_timeout_s
        await asyncio.gather(*(self._one(gone, rest, bound_s) for rest in rests))

    async def _one(self, gone: Gone, rest: Awaitable[None], bound_s: float) -> None:
        try:
            async with asyncio.timeout(bound_s):
                await rest
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled it: it awaited something that was, and a cleanup must go on.
            self._on_failure(gone, error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (outside code: a fence)
            self._on_failure(gone, error)

    def _on_failure(self, gone: Gone, error: BaseException) -> None:
        self._node.counters.cleanup_failures += 1
        faults = self._node.isolation.faults
        faults.of_ours(error, "cleanup_callback_failed", gone.device_id, session_id=gone.session_id)
