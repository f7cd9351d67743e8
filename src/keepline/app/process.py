"""A gateway as a process of its own: its loop, its signals, its limits, its end."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import sys
import threading
from typing import TYPE_CHECKING

import uvloop

from keepline.app import service
from keepline.app.descriptors import wanted_descriptors
from keepline.app.faults import log_faults
from keepline.app.gateway import Gateway
from keepline.app.signals import STOP_SIGNALS, StopSignals
from keepline.fleet.runner import run_fleet
from keepline.gateway.mistakes import report_unawaited
from keepline.gateway.sockets import allow_descriptors
from keepline.handlers.echo import Echo
from keepline.monitor.heap import Heap, pace

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Sequence

    from keepline.app.estate import Estate
    from keepline.fleet.report import Report
    from keepline.gateway.auth import Authenticator
    from keepline.gateway.handler import AnyHandler
    from keepline.settings import Settings

    Announce = Callable[[Gateway], None]

DEMO_RAMP_PER_S = 2.0
FORCED_END_S = 5.0
HURRIED_END_S = 3.0  # for cleanups, once every connection was dropped, and for what they save
THREAD_TURN_S = 0.001
"""For so long a thread's Python may keep the loop waiting, and every frame; 5 ms are usual."""


def serve(
    settings: Settings,
    handler: type[AnyHandler] | None = None,
    *,
    authenticator: Authenticator | None = None,
    sockets: Sequence[socket.socket] = (),
    estate: Estate | None = None,
    announce: Announce | None = None,
) -> int:
    """Run a gateway until SIGTERM or SIGINT; return the exit status. Raises StartError.

    `authenticator` judges devices instead of what the settings say. `sockets` listen already and
    are lent; `estate` is what the process before this one has left, or systemd has given, and with
    one this process can be replaced as well. A
    second signal drops every connection at once, a third ends the process. `announce` is called
    once the gateway listens. What follows the stop has FORCED_END_S to end the process.
    """
    gateway = _gateway(settings, handler or Echo, authenticator, sockets, estate)
    is_worker = estate is not None and estate.post is not None
    return _run(_serve(gateway, announce, is_worker=is_worker))


def demo(
    settings: Settings,
    *,
    devices: int,
    announce: Announce,
    on_progress: Callable[[Report], None],
) -> int:
    """Run a gateway and a few simulated devices, as `serve` does; return the exit status.

    `on_progress` is called every second.
    """
    return _run(_demo(settings, devices, announce, on_progress))


async def _serve(gateway: Gateway, announce: Announce | None, *, is_worker: bool) -> int:
    signals = StopSignals(asyncio.get_running_loop())
    await _start(gateway)
    signals.on_hangup(gateway)
    if is_worker:
        signals.on_handing_on(gateway)
    gateway.node.drain.on_ended = signals.stop.set  # whoever has asked for it
    if announce is not None:
        announce(gateway)
    service.tell("READY=1")
    is_replaced = False
    if gateway.upgrades is None:
        await signals.stop.wait()
    else:
        is_replaced = await gateway.upgrades.over(signals.stop)
    if not is_replaced:  # else the service goes on, in another process
        service.tell("STOPPING=1")
    return await _stop(gateway, signals)


async def _demo(
    settings: Settings,
    devices: int,
    announce: Announce,
    on_progress: Callable[[Report], None],
) -> int:
    gateway = _gateway(settings, Echo)
    signals = StopSignals(asyncio.get_running_loop())
    await _start(gateway)
    gateway.node.drain.on_ended = signals.stop.set
    announce(gateway)
    fleet = asyncio.create_task(
        run_fleet(
            gateway.url,
            devices=devices,
            token=settings.auth.token,
            seconds=None,
            seed=secrets.randbits(32),
            ramp_per_s=DEMO_RAMP_PER_S,
            on_progress=on_progress,
        )
    )
    asked = asyncio.create_task(signals.stop.wait())
    await asyncio.wait({fleet, asked}, return_when=asyncio.FIRST_COMPLETED)
    failure = fleet.exception() if fleet.done() else None
    status = await _stop(gateway, signals)
    for task in (fleet, asked):
        task.cancel()
    await asyncio.gather(fleet, asked, return_exceptions=True)
    if failure is not None:
        raise failure
    return status


# -- the process ---------------------------------------------------------------------------


def _gateway(
    settings: Settings,
    make_handler: Callable[[], AnyHandler],
    authenticator: Authenticator | None = None,
    sockets: Sequence[socket.socket] = (),
    estate: Estate | None = None,
) -> Gateway:
    return Gateway(
        make_handler,
        settings,
        authenticator=authenticator,
        sockets=sockets,
        estate=estate,
        admin_port=settings.admin.port,
        heap=Heap(),
    )


async def _start(gateway: Gateway) -> None:
    """Start, with a process that allows it and is not looked through for garbage."""
    wanted = wanted_descriptors(gateway.settings.server)
    allowed = allow_descriptors(wanted)
    pace()
    sys.setswitchinterval(THREAD_TURN_S)
    await gateway.start()
    loop = asyncio.get_running_loop()
    log_faults(loop, gateway.log, gateway.node.isolation.faults)
    report_unawaited(loop, gateway.log)
    if allowed < wanted:
        # Beyond it the kernel lets devices wait, unanswered, until they give up.
        gateway.log.warning("too_few_descriptors", allowed=allowed, wanted=wanted)
    # What was built is here to stay: a full collection need not look at it again.
    gc.collect()
    gc.freeze()
    gateway.log.info("started", port=gateway.port, admin_port=gateway.admin_port)


async def _stop(gateway: Gateway, signals: StopSignals) -> int:
    """Stop, in a hurry when it was asked for twice; return the exit status."""
    gateway.log.info("stopping", connections=len(gateway.sessions))
    stopping = asyncio.create_task(gateway.stop())
    hurry = asyncio.create_task(signals.hurry.wait())
    await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not stopping.done():
        gateway.log.warning("hurrying", connections=len(gateway.sessions))
        gateway.hurry()
        await asyncio.wait({stopping}, timeout=HURRIED_END_S)
    return 0 if stopping.done() else 1


def runner() -> asyncio.Runner:
    """Return what runs our loop in a process of our own."""
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def _run(main: Coroutine[object, object, int]) -> int:
    with runner() as running:
        status = running.run(main)
        _end_the_process_with(status)
    return status


def _end_the_process_with(status: int) -> None:
    """Everybody has left and been cleaned up; let nothing delay or change the end any more.

    Closing the loop waits for tasks that refuse to be cancelled, and the end of Python for blocked
    threads of handlers: not for ever. A signal sent again finds no loop to tell any more.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    forced_end = threading.Timer(FORCED_END_S, os._exit, (status,))
    forced_end.daemon = True
    forced_end.start()
