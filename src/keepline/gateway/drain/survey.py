"""Who is here and would have to leave: looked at in slices, since it can be many."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.gateway.drain.notice import back_s, return_of
from keepline.gateway.drain.plan import Plan, Return, Wave
from keepline.gateway.drain.turn import Talk
from keepline.lifecycle.states import State

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

SLICE: Final = 250
"""How many are looked at before others have their turn: about 1 ms."""


class Found(NamedTuple):
    """Sessions by their wave and by how they come back; `close_s` is their longest Close.

    `back` is how many come back by themselves, by how long that takes them.
    """

    groups: dict[tuple[Wave, Return], list[Session]]
    close_s: float
    back: Counter[float]


async def survey(node: Node) -> Found:
    """Find every session that is not ending yet."""
    groups: dict[tuple[Wave, Return], list[Session]] = {}
    close_s = 0.0
    back: Counter[float] = Counter()
    for number, session in enumerate(node.registry, start=1):
        if session.connection.lifecycle.reason is None:
            key = _kind_of(node, session)
            groups.setdefault(key, []).append(session)
            back[back_s(session)] += key[1] is Return.BY_ITSELF
            close_s = max(close_s, session.profile.close_timeout_s)
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return Found(groups, close_s, +back)


def _kind_of(node: Node, session: Session) -> tuple[Wave, Return]:
    try:
        return wave_of(session, node.ticker.now), return_of(session)
    except Exception as error:  # noqa: BLE001 (one session must not keep a plan from being made)
        node.isolation.faults.of_ours(error, "drain_step_failed", session.device_id)
        return Wave.QUIET, Return.NEVER


def wave_of(session: Session, now: float) -> Wave:
    """Return when a device would go if it were now."""
    if session.talk(now) is not Talk.SILENT:
        return Wave.TALKING
    return Wave.IDLE if session.connection.lifecycle.state is State.IDLE else Wave.QUIET


def plan_for(node: Node, found: Found, rate_per_s: float, away_s: float) -> Plan:
    """Return the plan by which those leave; see `Plan`."""
    settings = node.settings.drain
    return Plan(
        crowd={key: len(sessions) for key, sessions in found.groups.items()},
        rate_per_s=rate_per_s,
        wait_s=settings.wait_s,
        turn_s=settings.turn_s,
        close_s=found.close_s,
        away_s=away_s,
        back_s=max(found.back, default=0.0),
    )
