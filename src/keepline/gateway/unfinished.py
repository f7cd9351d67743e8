"""A message that a silent device has begun and does not finish: it may take its time, not for ever.

Any byte is life, so that one now and then would keep what is held of a message as long as TCP. It
is looked at where the device is idle anyway; no frame costs anything for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.gateway.connection import Connection
    from keepline.wire.reader import FrameReader


def look(connection: Connection, reader: FrameReader, now: float) -> float:
    """Return by when it has to be finished; at that time the connection ends.

    That is `session.idle_after_s` after it was first seen, of which only the time counts in which
    we listened.
    """
    found_at = connection.node.seldom.unfinished
    since = found_at.get(reader, 0.0)
    if since <= connection.last_activity or connection.is_held_up(now):
        found_at[reader] = since = now
    due = since + connection.node.settings.session.idle_after_s
    if now >= due:
        connection.stop_hearing(CloseReason.MESSAGE_TIMEOUT, f"{reader.buffered_bytes} bytes of it")
    return due
