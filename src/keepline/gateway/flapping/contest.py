"""Whether who holds a device that two have fought about is still there: it is asked, and heard.

A connection whose device has gone without a word looks like one that keeps its device from another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from keepline.lifecycle.heartbeat import MUTE, PROBED, PROBED_PATIENCE
from keepline.lifecycle.wheel import TICK_S

if TYPE_CHECKING:
    from keepline.gateway.session import Session

MOST_S: Final = 4.0
"""So long is an answer waited for, however slow the holder was so far: another waits meanwhile."""


def may_answer(holder: Session) -> bool:
    """Return whether silence would tell anything: there are devices that answer nothing."""
    return holder.connection.heartbeat.means != MUTE


def patience_s(holder: Session) -> float:
    """Return how long its answer may take, judged by its round trips; it is asked at a tick."""
    node, heartbeat = holder.connection.node, holder.connection.heartbeat
    policy = node.settings.heartbeat
    least_s = policy.probe_min_s * (PROBED_PATIENCE if heartbeat.means == PROBED else 1)
    answers_in_s = heartbeat.patience_s(least_s, policy.probe_max_s) * node.judge.stretch
    return min(MOST_S, answers_in_s) + 2 * TICK_S


async def is_heard(holder: Session, within_s: float) -> bool:
    """Ask a session's device for a sign of life; True as soon as there is one.

    Whom we do not listen to just now counts as heard. False when there is no sign in time, or when
    the session is ending.
    """
    connection = holder.connection
    node, heartbeat = connection.node, connection.heartbeat
    asked_at = node.ticker.now
    # One that is closing is armed for the bound of its Close.
    if connection.lifecycle.reason is None and node.judge.hasten(heartbeat, asked_at):
        node.wheel.arm_by(connection, asked_at)
    while connection.lifecycle.reason is None and node.ticker.now < asked_at + within_s:
        if heartbeat.last_rx > asked_at or connection.is_held_up(node.ticker.now):
            return True
        await asyncio.sleep(TICK_S)
    return False
