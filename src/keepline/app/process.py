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
from keepline.app.faults import log_faults
from keepline.app.gateway import Gateway
from keepline.fleet.endpoint import trusted
from keepline.fleet.runner import run_fleet
from keepline.gateway.mistakes import report_unawaited
from keepline.gateway.sockets import allow_descriptors
from keepline.handlers.echo import Echo
from keepline.monitor.heap import Heap, pace

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Sequence
    from types import FrameType

    from keepline.app.estate import Estate
    from keepline.fleet.plan import Plan
    from keepline.fleet.report import Report
    from keepline.gateway.auth import Authenticator
    from keepline.gateway.handler import AnyHandler
    from keepline.settings import Settings

    Announce = Callable[[Gateway], None]

DEMO_RAMP_PER_S = 2.0
FORCED_END_S = 5.0
HURRIED_END_S = 3.0  # for cleanups, once every connection was dropped, and for what they save
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
MOST_ORDERS = 2  # to stop, and to hurry
THREAD_TURN_S = 0.001
"""For so long a thread's Python may keep the loop waiting, and every frame; 5 ms are usual."""
OTHER_DESCRIPTORS = 256  # operators, logs, and what the handlers open


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
    return _run(_serve(gateway, announce))


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


def simulate(
    plan: Plan,
    on_progress: Callable[[Report], None],
    on_code: Callable[[str, str], None],
) -> Report:
    """Run simulated devices until their time is over, or SIGTERM or SIGINT; return their report.

    `on_code` is told device and code of who has to be approved. Raises StartError.
    """
    plan.check()
    plan.check_descriptors(allow_descriptors(plan.descriptors))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_simulate(plan, on_progress, on_code))


async def _simulate(
    plan: Plan,
    on_progress: Callable[[Report], None],
    on_code: Callable[[str, str], None],
) -> Report:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return await run_fleet(
        plan.url,
        devices=plan.devices,
        token=plan.token,
        seconds=plan.seconds,
        seed=plan.seed,
        ramp_per_s=plan.ramp_per_s,
        on_progress=on_progress,
        habits=plan.habits,
        faults=plan.faults,
        ota=plan.ota,
        tls=trusted(plan.ca),
        may_visit=plan.may_visit,
        on_code=on_code,
        stop=stop,
    )


async def _serve(gateway: Gateway, announce: Announce | None) -> int:
    orders = Orders(asyncio.get_running_loop())
    await _start(gateway)
    orders.on_hangup(gateway)
    gateway.node.drain.on_ended = orders.stop.set  # whoever has asked for it
    if announce is not None:
        announce(gateway)
    service.tell("READY=1")
    if gateway.upgrades is None:
        await orders.stop.wait()
    elif await gateway.upgrades.over(orders.stop):
        return await _stop(gateway, orders)
    service.tell("STOPPING=1")
    return await _stop(gateway, orders)


async def _demo(
    settings: Settings,
    devices: int,
    announce: Announce,
    on_progress: Callable[[Report], None],
) -> int:
    gateway = _gateway(settings, Echo)
    orders = Orders(asyncio.get_running_loop())
    await _start(gateway)
    gateway.node.drain.on_ended = orders.stop.set
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
    asked = asyncio.create_task(orders.stop.wait())
    await asyncio.wait({fleet, asked}, return_when=asyncio.FIRST_COMPLETED)
    failure = fleet.exception() if fleet.done() else None
    status = await _stop(gateway, orders)
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
    server = gateway.settings.server
    wanted = server.max_connections + server.max_admissions + OTHER_DESCRIPTORS
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


async def _stop(gateway: Gateway, orders: Orders) -> int:
    """Stop, in a hurry when it was asked for twice; return the exit status."""
    gateway.log.info("stopping", connections=len(gateway.sessions))
    stopping = asyncio.create_task(gateway.stop())
    hurry = asyncio.create_task(orders.hurry.wait())
    await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not stopping.done():
        gateway.log.warning("hurrying", connections=len(gateway.sessions))
        gateway.hurry()
        await asyncio.wait({stopping}, timeout=HURRIED_END_S)
    return 0 if stopping.done() else 1


class Orders:
    """What signals ask for: the first to stop, the second to hurry, the third to end at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self._loop = loop
        self._count = 0
        # Not the loop's own way: a handler that blocks the loop would keep the process, too.
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count > MOST_ORDERS:
            os._exit(128 + number)
        order = self.stop if self._count == 1 else self.hurry
        self._loop.call_soon_threadsafe(order.set)

    def on_hangup(self, gateway: Gateway) -> None:
        """Let SIGHUP load the certificate anew; where there is none it does nothing."""

        def reload() -> None:
            if not gateway.reload_certificate():
                gateway.log.info("hangup_ignored")

        self._loop.add_signal_handler(signal.SIGHUP, reload)


def _run(main: Coroutine[object, object, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(main)
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
