"""Who looks at a node: its sampler, and the process as this machine tells of it."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from keepline.gateway.census import look_around
from keepline.monitor.gauges import Gauge
from keepline.monitor.process.elsewhere import reader_of
from keepline.monitor.process.reading import HUB, LOG, LOOP
from keepline.monitor.sampler import Sampler, Watched

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.monitor.heap import Heap
    from keepline.monitor.sample import Sample
    from keepline.settings import Settings

_BY_NAME: Final = {"hub": HUB, "keepline-log": LOG}
"""How the names of our threads begin, and the group that is counted by itself."""

NEARLY: Final = 0.9
"""Of the devices that there may be, where the settings say no number of their own."""


def make_sampler(node: Node) -> Sampler:
    """Return the sampler of the node whose loop runs in this thread; it does not look yet."""
    threads = partial(groups_of_threads, threading.get_native_id())
    watched = Watched(
        node.counters,
        node.hub,
        partial(look_around, node),
        reader_of(threads),
        one_in=lambda: node.knobs.pace.one_in * (2 if node.governor.is_slow else 1),
    )
    sampler = Sampler(
        watched,
        interval_s=node.settings.monitor.interval_s,
        clock=node.clock,
        loop=node.loop,
        executor=node.executor,
        log=node.log,
    )
    sampler.on_sample.append(lambda _: node.knobs.on_sample())
    if node.heap is not None:
        sampler.on_sample.append(partial(_mind, node.heap))
    return sampler


def _mind(heap: Heap, sample: Sample) -> None:
    """Tell who minds the heap how much memory there is, and how many talk."""
    memory_bytes = sample.value(Gauge.MEMORY_BYTES)
    if memory_bytes is not None:
        heap.see_memory(memory_bytes, sample.value(Gauge.TALKING_CONNECTIONS) or 0.0)


def thresholds_of(settings: Settings) -> dict[Gauge, float]:
    """Return where an alert begins, by gauge."""
    rules, most = settings.rules, settings.server.max_connections
    return {
        Gauge.MEMORY_BYTES: rules.memory_bytes,
        Gauge.CPU_PERCENT: rules.cpu_percent,
        Gauge.CONNECTIONS: NEARLY * most if rules.connections is None else rules.connections,
        Gauge.QUEUE_DEPTH: rules.queue_depth,
    }


def groups_of_threads(loop_thread: int) -> dict[int, str]:
    """Return the group of each thread that is counted by itself, by the system's number."""
    found = {loop_thread: LOOP}
    for thread in threading.enumerate():
        for beginning, group in _BY_NAME.items():
            if thread.native_id is not None and thread.name.startswith(beginning):
                found[thread.native_id] = group
    return found
