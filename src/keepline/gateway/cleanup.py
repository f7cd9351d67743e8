"""The last act of every connection: fixed steps, each fenced, run exactly once.

The transition into CLEANUP starts it, and the table enters CLEANUP once in a life. A connection
whose steps have nothing to wait for is cleaned up on the spot, without a task: when a whole fleet
leaves at once, nothing piles up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.gateway.gone import GONE
from keepline.gateway.receiver import NOBODY
from keepline.lifecycle.states import Event
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from keepline.gateway.connection import Connection

    Rest = Awaitable[None] | None
    Step = Callable[[Connection], Rest]


def cleanup(connection: Connection) -> Coroutine[object, object, None] | None:
    """Release everything a connection held; what is left to await is returned, else None.

    A step that raises does not stop the next.
    """
    steps = iter(STEPS)
    rest = _run(connection, steps)
    return None if rest is None else _go_on(connection, steps, rest)


def _run(connection: Connection, steps: Iterator[Step]) -> Rest:
    """Run steps until one has to be awaited, or until there are no more."""
    for step in steps:
        try:
            rest = step(connection)
        except Exception as error:  # noqa: BLE001 (each step is fenced)
            _on_failure(connection, error)
        else:
            if rest is not None:
                return rest
    connection.advance(Event.CLEANED)
    return None


async def _go_on(connection: Connection, steps: Iterator[Step], rest: Rest) -> None:
    while rest is not None:
        try:
            await rest
        except Exception as error:  # noqa: BLE001 (each step is fenced)
            _on_failure(connection, error)
        rest = _run(connection, steps)


def _on_failure(connection: Connection, error: Exception) -> None:
    node = connection.node
    node.counters.cleanup_failures += 1
    node.isolation.faults.of_ours(error, "cleanup_step_failed", connection.receiver.device_id)


def cancel_deadline(connection: Connection) -> None:
    """Forget the connection's place in the timing wheel."""
    connection.node.wheel.cancel(connection)


def end_receiver(connection: Connection) -> Rest:
    """Let the handler finish and say `closed`, or fail who still waits for the hello."""
    return connection.receiver.end(_reason(connection))


def drop_outbox(connection: Connection) -> None:
    """Give up what nobody will read any more."""
    connection.outbox = None


def release_claim(connection: Connection) -> None:
    """Give the device back, unless a newer connection holds it already."""
    connection.receiver.release()


def leave_address(connection: Connection) -> None:
    """One connection less from where it came."""
    connection.node.arrivals.addresses.leave(connection.address)


def account(connection: Connection) -> None:
    """Count the ending and say who ended it, why, and how old it was."""
    connection.node.on_ended(connection, _reason(connection))


def tell_gone(connection: Connection) -> Rest:
    """Tell who wants to know of every session that has gone."""
    return connection.node.isolation.gone(connection, _reason(connection))


def part(connection: Connection) -> None:
    """Part from session and transport: each goes now, in its own turn.

    Session and connection hold each other, and the wheel may hold a connection for a while yet.
    """
    connection.receiver.forget()
    connection.receiver = NOBODY
    connection.transport = GONE


STEPS: tuple[Step, ...] = (
    cancel_deadline,
    end_receiver,
    drop_outbox,
    release_claim,
    leave_address,
    account,
    tell_gone,
    part,
)


def _reason(connection: Connection) -> CloseReason:
    return connection.lifecycle.reason or CloseReason.INTERNAL_ERROR
