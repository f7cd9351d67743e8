"""What is given up at once when there is no memory: waiting audio and caches, never a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keepline.gateway.node import Node


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
