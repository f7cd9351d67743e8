"""Puts a relay behind the connections of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.gateway.auth.credentials import Ids
from keepline.relay.ahead import UpstreamJudge
from keepline.relay.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.node import Node
    from keepline.relay.upstreams.pool import Pool


def stand_before(node: Node, pool: Pool, draw: Callable[[int], bytes]) -> Relay:
    """Have the devices of `node` passed on to `pool`; `draw` returns unpredictable bytes.

    Raises StartError for certificates that cannot be read.
    """
    relay = Relay(node, pool, draw=draw)
    node.behind = relay
    if node.settings.auth.mode == "upstream":
        node.gate.authenticator = UpstreamJudge(relay, Ids(node.settings.auth))
    return relay
