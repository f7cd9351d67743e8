"""What is given up at once when there is no memory: waiting audio and caches, never a message."""

from __future__ import annotations

from heapq import nlargest
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from keepline.gateway.outbox import Outbox
from keepline.gateway.speaker import Surplus

if TYPE_CHECKING:
    from keepline.gateway.node import Node


LOOKED_AT: Final = 2_000
AT_ONCE: Final = 64
"""So many queues are looked at, and so many of them emptied of audio, in one go: below 1 ms."""


def release_caches(node: Node) -> None:
    """Forget what can be had again.

    All that a handler's own MemoryError costs others: anybody's code can ask for too much.
    """
    node.hellos.forget()


def release_everywhere(node: Node) -> None:
    """Give up the audio that waits, of all sessions: our own code found no memory."""
    frames = sum(session.drop_audio() for session in node.registry)
    release_caches(node)
    node.log.warning("memory_released", audio_frames=frames, sessions=len(node.registry))


def release_biggest(node: Node) -> int:
    """Give up the audio of the largest queues, until half of theirs is gone; return the bytes.

    Whoever has much waiting is behind already, and what it hears or says is stale. Of many queues
    it looks at a part, the next time at the next one.
    """
    some = node.governor.backlogs.part(LOOKED_AT)
    largest = nlargest(AT_ONCE, some, key=attrgetter("size_bytes"))
    wanted_bytes = sum(backlog.size_bytes for backlog in largest) / 2
    freed_bytes = heard = said = 0
    for backlog in largest:
        if freed_bytes >= wanted_bytes:
            break
        before_bytes = backlog.size_bytes
        frames = backlog.drop_audio()
        freed_bytes += before_bytes - backlog.size_bytes
        if isinstance(backlog, Outbox | Surplus):
            said += frames
        else:
            heard += frames
    node.counters.outbox_audio_dropped += said
    node.counters.inbox_audio_dropped += heard
    if freed_bytes:
        node.log.warning("audio_given_up", freed_bytes=freed_bytes, audio_frames=heard + said)
    return freed_bytes
