"""Who is here and would have to leave: looked at in slices, since it can be many."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.gateway.drain.notice import back_s, return_of
from keepline.gateway.drain.plan import Crowd, Plan, Return, Wave
from keepline.gateway.drain.turn import Talk
from keepline.lifecycle.states import State

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

SLICE: Final = 250
"""How many are looked at before others have their turn: about 1 ms."""


class Found(NamedTuple):
    """Sessions by their wave, by how they come back, and in how many seconds if by themselves.

    `close_s` is their longest Close. So many are put in their lanes in one go, and not one by one.
    """

    groups: dict[tuple[Wave, Return, float], list[Session]]
    close_s: float

    @property
    def back(self) -> Counter[float]:
        """How many come back by themselves, by how long that takes them."""
        found: Counter[float] = Counter()
        for (_, comes_back, seconds), sessions in self.groups.items():
            if comes_back is Return.BY_ITSELF:
                found[seconds] += len(sessions)
        return found

    @property
    def crowd(self) -> Crowd:
        """How many there are of each kind."""
        found: Counter[tuple[Wave, Return]] = Counter()
        for (wave, comes_back, _), sessions in self.groups.items():
            found[wave, comes_back] += len(sessions)
        return dict(found)


async def survey(node: Node) -> Found:
    """Find every session that is not ending yet."""
    groups: dict[tuple[Wave, Return, float], list[Session]] = {}
    close_s = 0.0
    for number, session in enumerate(node.registry, start=1):
        if session.connection.lifecycle.reason is None:
            groups.setdefault(_kind_of(node, session), []).append(session)
            close_s = max(close_s, session.profile.close_timeout_s)
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return Found(groups, close_s)


def _kind_of(node: Node, session: Session) -> tuple[Wave, Return, float]:
    try:
        comes_back = return_of(session)
        seconds = back_s(session) if comes_back is Return.BY_ITSELF else 0.0
        return wave_of(session, node.ticker.now), comes_back, seconds
    except Exception as error:  # noqa: BLE001 (one session must not keep a plan from being made)
        node.isolation.faults.of_ours(error, "drain_step_failed", session.device_id)
        return Wave.QUIET, Return.NEVER, 0.0


def wave_of(session: Session, now: float) -> Wave:
    """Return when a device would go if it were now."""
    if session.talk(now) is not Talk.SILENT:
        return Wave.TALKING
    return Wave.IDLE if session.connection.lifecycle.state is State.IDLE else Wave.QUIET


def plan_for(node: Node, found: Found, rate_per_s: float, away_s: float) -> Plan:
    """Return the plan by which those leave; see `Plan`."""
    settings = node.settings.drain
    return Plan(
        crowd=found.crowd,
        rate_per_s=rate_per_s,
        wait_s=settings.wait_s,
        turn_s=settings.turn_s,
        close_s=found.close_s,
        away_s=away_s,
        back_s=max(found.back, default=0.0),
    )
