"""The hub of a gateway that is alone: where its file is, how its life begins and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.gateway.holder import NodeHolder
from keepline.hub.database import Database
from keepline.hub.local import LocalHub, Retention

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Executor

    from keepline.clock import Clock
    from keepline.gateway.node import Node
    from keepline.log import Log
    from keepline.settings import Settings

FILE_NAME: Final = "keepline.db"
NODE_NAME: Final = "local"
LAST_WRITES_S: Final = 5.0  # for what was saved at the end to reach the disk


def make_hub(
    settings: Settings,
    loop: asyncio.AbstractEventLoop,
    executor: Executor,
    clock: Clock,
    log: Log,
) -> LocalHub:
    """Open the file in `data_dir`, or one that nobody sees and that ends with the process.

    Raises StartError.
    """
    path = None if settings.data_dir is None else settings.data_dir / FILE_NAME
    database = Database(path)

    def on_trouble(trouble: Exception | None) -> None:
        if trouble is None:
            log.warning("store_back")
        else:
            log.error("store_away", error=trouble)
        if database.set_aside is not None:
            log.error("store_set_aside", file=str(database.set_aside))
            database.set_aside = None

    kept = settings.hub
    hub = LocalHub(
        database,
        node=NODE_NAME,
        loop=loop,
        executor=executor,
        clock=clock,
        retention=Retention(kept.keep_s, kept.events, kept.bytes),
        on_trouble=on_trouble,
    )
    if database.set_aside is not None:
        log.error("store_set_aside", file=str(database.set_aside))
        database.set_aside = None
    return hub


async def begin_life(hub: LocalHub, node: Node) -> None:
    """Start a node; what a former life held waits for its devices from now on."""
    held = await hub.start(NodeHolder(node, NODE_NAME), node.settings.hub.resume_window_s)
    if held:
        node.log.warning("former_life_ended_abruptly", devices=held)


async def end_life(hub: LocalHub, node: Node) -> None:
    """Write what is left to write, within a bound, and close the file."""
    lost = await hub.stop(LAST_WRITES_S)
    if lost:
        node.log.error("writes_lost", count=lost)
