"""The hub of a gateway that shares its devices with others: how it takes part."""

from __future__ import annotations

import random
import re
import socket
from typing import TYPE_CHECKING

from keepline.errors import StartError
from keepline.monitor.alerts.incidents import Fact, Incident

if TYPE_CHECKING:
    from keepline.clock import Clock
    from keepline.hub.cluster.hub import NatsHub
    from keepline.hub.local import LocalHub
    from keepline.log import Log
    from keepline.monitor.alerts.incidents import Incidents
    from keepline.settings import Settings


def node_name(settings: Settings) -> str:
    """Return this node's name among all: the host's, where none is set."""
    return settings.cluster.node or re.sub("[^A-Za-z0-9_-]", "-", socket.gethostname())[:64]


def join(
    settings: Settings,
    local: LocalHub,
    life: str,
    *,
    clock: Clock,
    log: Log,
    incidents: Incidents,
) -> NatsHub:
    """Return the hub of a node of many, which keeps in `local` what is its own.

    `life` is the name of this process, no other has it. Raises StartError.
    """
    try:
        from keepline.hub.cluster.hub import NatsHub, Options  # noqa: PLC0415 (an extra)
        from keepline.hub.cluster.link import Address  # noqa: PLC0415
    except ImportError as error:
        raise StartError(
            f"cluster.url is set, and the client of NATS is not installed: {error}",
            "install it with: pip install 'keepline[cluster]'",
        ) from error

    def on_trouble(trouble: Exception | None) -> None:
        if trouble is None:
            log.warning("cluster_back")
            incidents.cleared(Incident.CLUSTER_AWAY)
        else:
            log.error("cluster_away", error=trouble)
            incidents.raised(Incident.CLUSTER_AWAY, Fact(f"no other node can be asked: {trouble}"))

    cluster, kept = settings.cluster, settings.hub
    node = node_name(settings)
    options = Options(
        node=node,
        life=life,
        address=Address(cluster.servers, cluster.credentials_file),
        replicas=cluster.replicas,
        claim_timeout_s=cluster.claim_timeout_s,
        lets_in_while_away=cluster.when_away == "admit",
        events_age_s=kept.keep_s,
        events_bytes=kept.bytes,
    )
    draw = random.Random().random  # noqa: S311 (when to connect again)
    return NatsHub(
        local,
        options,
        clock=clock,
        draw=draw,
        on_trouble=on_trouble,
        on_namesake=lambda other: log.error("node_name_taken", node=node, life=other),
    )
