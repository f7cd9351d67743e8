"""What a worker tells of the one before it in its slot, which ended when it should not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import json

from keepline.monitor.alerts.incidents import Fact, Incident

if TYPE_CHECKING:
    from keepline.app.workers.post import Post
    from keepline.gateway.node import Node

KNOWN_FOR_S: Final = 600.0
"""For so long the alert is open; it opens anew when a worker ends within that time."""


def tell(post: Post | None, node: Node) -> None:
    """Raise the incident and note the event, where there is something to tell."""
    if post is None or not post.ended:
        return
    fact = Fact(f"worker {post.slot} ended by {post.ended}, and was started again")
    until = node.ticker.now + KNOWN_FOR_S
    node.incidents.raised(Incident.WORKER_ENDED, fact, str(post.slot), until=until)
    node.hub.emit("", "worker_ended", json.encode({"worker": post.slot, "how": post.ended}))
