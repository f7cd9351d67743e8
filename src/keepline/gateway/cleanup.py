"""The last act of every connection: fixed steps, each fenced, run exactly once.

The transition into CLEANUP starts it, and the table enters CLEANUP once in a life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.lifecycle.states import Event
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.gateway.connection import Connection


async def cleanup(connection: Connection) -> None:
    """Release everything one connection held; a step that raises does not stop the next."""
    for step in STEPS:
        try:
            rest = step(connection)
            if rest is not None:
                await rest
        except Exception as error:  # noqa: BLE001 (each step is fenced)
            connection.node.counters.cleanup_failures += 1
            connection.node.log.error("cleanup_step_failed", error=error, step=step.__name__)
    connection.advance(Event.CLEANED)


def cancel_deadline(connection: Connection) -> None:
    """Forget the connection's place in the timing wheel."""
    connection.node.wheel.cancel(connection)


def end_receiver(connection: Connection) -> Awaitable[None] | None:
    """Let the handler finish and say `closed`, or fail who still waits for the hello."""
    return connection.receiver.end(_reason(connection))


def drop_outbox(connection: Connection) -> None:
    """Give up what nobody will read any more."""
    connection.outbox = None


def release_claim(connection: Connection) -> None:
    """Give the device back, unless a newer connection holds it already."""
    connection.receiver.release()


def account(connection: Connection) -> None:
    """Count the ending and say who ended it, why, and how old it was."""
    connection.node.on_ended(connection, _reason(connection))


STEPS: tuple[Callable[[Connection], Awaitable[None] | None], ...] = (
    cancel_deadline,
    end_receiver,
    drop_outbox,
    release_claim,
    account,
)


def _reason(connection: Connection) -> CloseReason:
    return connection.lifecycle.reason or CloseReason.INTERNAL_ERROR
