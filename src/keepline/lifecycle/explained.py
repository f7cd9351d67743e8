"""A history with what follows from it: who began each transition, why, and where it led from.

None of it is kept. A step has its event, and an ending its reason; the rest is in the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from keepline.lifecycle.machine import LIVING
from keepline.lifecycle.states import ORIGINS, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keepline.lifecycle.history import Step
    from keepline.lifecycle.states import Origin, State
    from keepline.reasons import Initiator


class Explained(Struct, frozen=True, gc=False):
    """One transition: after `after_s` in `previous` it led to `state`.

    `previous` is None for a step whose former one was forgotten, where several may have been;
    `initiator` is None and `cause` empty for an event of another version.
    """

    previous: State | None
    state: State
    event: str
    initiator: Initiator | None
    cause: str
    after_s: float


def explained(steps: Iterable[Step], ending: Origin | None) -> list[Explained]:
    """Return the steps of one connection, oldest first; `ending` is who ends it and why.

    States and events may be plain strings, as a step has them that was read from the store.
    """
    told: list[Explained] = []
    previous: State | None = None
    for step in steps:
        if previous is None:
            previous = _only_way_to(step)
        origin = ORIGINS.get(step.event)
        if ending is not None and step.state not in LIVING:
            origin, ending = ending, None
        told.append(
            Explained(
                previous,
                step.state,
                step.event,
                None if origin is None else origin.initiator,
                "" if origin is None else origin.cause,
                step.after_s,
            )
        )
        previous = step.state
    return told


def _only_way_to(step: Step) -> State | None:
    """Return the one state in which this event leads to this state, None if there are several."""
    ways = [
        state
        for state, rows in TABLE.items()
        if state != step.state and step.event in rows and rows[step.event].next == step.state
    ]
    return ways[0] if len(ways) == 1 else None
