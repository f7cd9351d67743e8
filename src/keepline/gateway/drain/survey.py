"""Who is here and would have to leave: looked at in slices, since it can be many."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from keepline.gateway.drain.notice import return_of
from keepline.gateway.drain.plan import Plan, Wave
from keepline.gateway.drain.turn import Talk
from keepline.lifecycle.states import State

if TYPE_CHECKING:
    from keepline.gateway.drain.plan import Return
    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

SLICE: Final = 250
"""How many are looked at before others have their turn: about 1 ms."""

Found = list[tuple["Session", Wave, "Return"]]


async def survey(node: Node) -> Found:
    """Return every session that is not ending yet, with its wave and how it comes back."""
    found: Found = []
    for number, session in enumerate(node.registry, start=1):
        if session.connection.lifecycle.reason is None:
            found.append((session, wave_of(session, node.ticker.now), return_of(session)))
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return found


def wave_of(session: Session, now: float) -> Wave:
    """Return when a device would go if it were now."""
    if session.talk(now) is not Talk.SILENT:
        return Wave.TALKING
    return Wave.IDLE if session.connection.lifecycle.state is State.IDLE else Wave.QUIET


def plan_for(node: Node, found: Found, rate_per_s: float, away_s: float) -> Plan:
    """Return the plan by which those leave; see `Plan`."""
    settings = node.settings.drain
    profiles = {session.profile for session, _, _ in found[:: max(1, len(found) // SLICE)]}
    return Plan(
        crowd=Counter((wave, comes_back) for _, wave, comes_back in found),
        rate_per_s=rate_per_s,
        wait_s=settings.wait_s,
        turn_s=settings.turn_s,
        close_s=max((each.close_timeout_s for each in profiles), default=0.0),
        away_s=away_s,
    )
