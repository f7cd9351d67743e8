"""The hub of a gateway that is alone: where its file is, how its life begins and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.app.cluster import join
from keepline.app.data_directory import held
from keepline.errors import HubError
from keepline.hub.database import Database
from keepline.hub.local import LocalHub, Retention
from keepline.monitor.alerts.incidents import Fact, Incident

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Executor

    from keepline.app.elder import Elder
    from keepline.clock import Clock
    from keepline.gateway.holder import NodeHolder
    from keepline.gateway.node import Node
    from keepline.hub.cluster.hub import NatsHub
    from keepline.log import Log
    from keepline.monitor.alerts.incidents import Incidents
    from keepline.settings import Settings

FILE_NAME: Final = "keepline.db"
LIFE_PREFIX: Final = "local-"
LAST_WRITES_S: Final = 5.0  # for what was saved at the end to reach the disk


def open_database(settings: Settings, *, is_shared: bool) -> Database:
    """Open the file in `data_dir`, or one that nobody sees and that ends with the process.

    Unless it `is_shared` with an elder, nobody else may keep state there while it is opened: a
    newer version brings it into its own form. Raises StartError.
    """
    directory = settings.data_dir
    with held(None if is_shared else directory):
        return Database(None if directory is None else directory / FILE_NAME)


def make_hub(
    settings: Settings,
    database: Database,
    life: str,
    *,
    loop: asyncio.AbstractEventLoop,
    executor: Executor,
    clock: Clock,
    log: Log,
    incidents: Incidents,
) -> LocalHub | NatsHub:
    """Return the hub of an open file; `life` is the name of this process in it, no other has it."""

    def on_trouble(trouble: Exception | None) -> None:
        if trouble is None:
            log.warning("store_back")
            incidents.cleared(Incident.STORE_AWAY)
        else:
            log.error("store_away", error=trouble)
            incidents.raised(Incident.STORE_AWAY, Fact(f"nothing can be written down: {trouble}"))
        if database.set_aside is not None:
            log.error("store_set_aside", file=str(database.set_aside))
            database.set_aside = None

    kept = settings.hub
    hub = LocalHub(
        database,
        node=life,
        loop=loop,
        executor=executor,
        clock=clock,
        retention=Retention(kept.keep_s, kept.events, kept.bytes),
        on_trouble=on_trouble,
    )
    hub.on_dropped = lambda count, error: log.error("rows_dropped", count=count, error=error)
    if database.set_aside is not None:
        log.error("store_set_aside", file=str(database.set_aside))
        database.set_aside = None
    if settings.cluster.servers:
        return join(settings, hub, life, clock=clock, log=log, incidents=incidents)
    return hub


async def begin_life(
    hub: LocalHub | NatsHub, holder: NodeHolder, node: Node, elder: Elder | None = None
) -> None:
    """Start a node; what a former life held waits for its devices from now on."""
    hub.keeps_house = elder is None
    local = hub if isinstance(hub, LocalHub) else hub.local
    local.may_wait = lambda: node.governor.is_slow
    held = await hub.start(holder, node.settings.hub.resume_window_s, elder)
    node.governor.newcomers.start()
    if node.tuning is not None:
        await node.tuning.recall()
    if held:
        node.log.warning("former_life_ended_abruptly", devices=held)


async def outlive(hub: LocalHub | NatsHub, node: Node) -> None:
    """The process before this one has ended: release what it held to its end."""
    hub.keeps_house = True
    try:
        held = await hub.outlive(node.settings.hub.resume_window_s)
    except HubError as error:
        node.log.error("elder_not_buried", error=error)
        return
    node.log.info("elder_gone", devices=held)


async def end_life(hub: LocalHub | NatsHub, node: Node) -> None:
    """Write what is left to write, within a bound, and close the file."""
    node.governor.newcomers.stop()
    if node.tuning is not None:
        node.tuning.tell()
    node.knobs.tell()
    lost = await hub.stop(LAST_WRITES_S)
    if lost:
        node.log.error("writes_lost", count=lost)
