"""The composition root: builds everything once, and owns the order of starting and stopping."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import secrets
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import uvloop

import keepline
from keepline.admin.api import Readiness, create_api
from keepline.admin.guard import Guard
from keepline.admin.server import AdminServer
from keepline.clock import SystemClock
from keepline.errors import StartError
from keepline.fleet.runner import run_fleet
from keepline.gateway.auth import make_authenticator
from keepline.gateway.configuration import DEVICE_PATH
from keepline.gateway.gateway import Gateway
from keepline.gateway.node import Node
from keepline.gateway.sockets import allow_descriptors, is_loopback
from keepline.handlers.echo import Echo
from keepline.log import Log
from keepline.monitor.metrics import Counters, Gauge, Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from keepline.fleet.report import Report
    from keepline.gateway.handler import Handler
    from keepline.settings import Settings

DEMO_RAMP_PER_S = 2.0
FORCED_END_S = 5.0
LAST_LINES_S = 2.0  # for a reader of the log to take what waits for it
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
OTHER_DESCRIPTORS = 256  # operators, logs, and what the handlers open


class App:
    """One gateway with everything around it, built on the running loop."""

    def __init__(self, settings: Settings, make_handler: Callable[[], Handler] = Echo) -> None:
        """Build; nothing listens yet. Raises StartError for settings that cannot be run."""
        clock = SystemClock()
        authenticator = make_authenticator(settings)
        self.settings = settings
        self.log = Log(
            sys.stderr,
            clock,
            level=settings.log.level,
            style=settings.log.format,
            fold_per_s=settings.log.fold_per_s,
            buffer_lines=settings.log.buffer_lines,
            buffer_bytes=settings.log.buffer_bytes,
            secrets=tuple(filter(None, (settings.auth.token, settings.admin.token))),
        )
        self.counters = Counters()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keepline")
        self.node = Node(
            settings,
            loop=asyncio.get_running_loop(),
            clock=clock,
            random=random.Random(),  # noqa: S311 (spreads pings; ids come from `secrets`)
            executor=self._executor,
            log=self.log,
            counters=self.counters,
            authenticator=authenticator,
            make_handler=make_handler,
            make_session_id=lambda: secrets.token_hex(8),
            enrolment_open=is_loopback(settings.server.host),
        )
        self.gateway = Gateway(self.node)
        metrics = Metrics(
            self.counters,
            self._gauges(),
            version=keepline.__version__,
            executor=self._executor,
        )
        api = create_api(ready=self.readiness, metrics=metrics.text)
        self.admin = AdminServer(
            settings.admin.host, settings.admin.port, Guard(api, settings.admin, self.log)
        )

    async def start(self) -> None:
        """Start in order: devices, then operators. Raises StartError; then nothing is left."""
        self.log.start()
        self._allow_descriptors()
        try:
            await self.gateway.start()
            await self.admin.start()
        except StartError:
            await self._release()
            raise
        # What was built is here to stay: a full collection need not look at it again.
        gc.collect()
        gc.freeze()
        self.log.info("started", port=self.node.port, admin_port=self.admin.port)

    def _allow_descriptors(self) -> None:
        server = self.settings.server
        wanted = server.max_connections + server.max_admissions + OTHER_DESCRIPTORS
        allowed = allow_descriptors(wanted)
        if allowed < wanted:
            # Beyond it the kernel lets devices wait, unanswered, until they give up.
            self.log.warning("too_few_descriptors", allowed=allowed, wanted=wanted)

    async def stop(self) -> None:
        """Stop in order: devices leave, then the operators' view of it; idempotent."""
        self.log.info("stopping", connections=len(self.node.registry))
        await self._release()

    async def _release(self) -> None:
        await self.gateway.stop()
        await self.admin.stop()
        self.log.info("stopped")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self.log.stop, LAST_LINES_S)
        self._executor.shutdown(wait=True)

    def readiness(self) -> Readiness:
        """Say whether a balancer should send devices here."""
        if self.node.draining:
            return Readiness(ready=False, reason="draining")
        if len(self.node.registry) >= self.settings.server.max_connections:
            return Readiness(ready=False, reason="full")
        return Readiness(ready=True, reason="")

    def _gauges(self) -> tuple[Gauge, ...]:
        node = self.node
        return (
            Gauge("keepline_sessions", "Live sessions.", lambda: len(node.registry)),
            Gauge("keepline_admissions", "Handshakes under way.", lambda: len(node.arrivals.admissions)),
            Gauge("keepline_cleanups", "Cleanups under way.", lambda: len(node.cleanups)),
            Gauge(
                "keepline_loop_lag_seconds_max",
                "By how much the loop's tick was late at most, since the last scrape.",
                node.ticker.take_worst_lag_s,
            ),
            Gauge("keepline_deadlines", "Deadlines armed in the wheel.", lambda: node.wheel.armed),
        )


def serve(settings: Settings, handler: type[Handler] | None = None) -> int:
    """Run a gateway until SIGTERM or SIGINT; return the exit status. Raises StartError.

    What follows has FORCED_END_S to end the process.
    """
    return _run(_serve(settings, handler or Echo))


def demo(
    settings: Settings,
    *,
    devices: int,
    announce: Callable[[App], None],
    on_progress: Callable[[Report], None],
) -> int:
    """Run a gateway and a few simulated devices until SIGTERM or SIGINT; return the exit status.

    Ends as `serve` does. `announce` is called once the gateway listens, `on_progress` every
    second.
    """
    return _run(_demo(settings, devices, announce, on_progress))


async def _serve(settings: Settings, make_handler: Callable[[], Handler]) -> int:
    app = App(settings, make_handler)
    stop_asked = _stop_on_signals()
    await app.start()
    await stop_asked.wait()
    await app.stop()
    return 0


async def _demo(
    settings: Settings,
    devices: int,
    announce: Callable[[App], None],
    on_progress: Callable[[Report], None],
) -> int:
    app = App(settings)
    stop_asked = _stop_on_signals()
    await app.start()
    announce(app)
    fleet = asyncio.create_task(
        run_fleet(
            f"ws://127.0.0.1:{app.node.port}{DEVICE_PATH}/",
            devices=devices,
            token=settings.auth.token,
            seconds=None,
            seed=secrets.randbits(32),
            ramp_per_s=DEMO_RAMP_PER_S,
            on_progress=on_progress,
        )
    )
    asked = asyncio.create_task(stop_asked.wait())
    await asyncio.wait({fleet, asked}, return_when=asyncio.FIRST_COMPLETED)
    failure = fleet.exception() if fleet.done() else None
    await app.stop()
    for task in (fleet, asked):
        task.cancel()
    await asyncio.gather(fleet, asked, return_exceptions=True)
    if failure is not None:
        raise failure
    return 0


def _stop_on_signals() -> asyncio.Event:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, asked.set)
    return asked


def _run(main: Coroutine[object, object, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(main)
        _end_the_process_with(status)
    return status


def _end_the_process_with(status: int) -> None:
    """Everybody has left and been cleaned up; let nothing delay or change the end any more.

    Closing the loop waits for tasks that refuse to be cancelled, and the end of Python for blocked
    threads of handlers: not for ever. A signal sent twice finds no loop to tell any more.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    forced_end = threading.Timer(FORCED_END_S, os._exit, (status,))
    forced_end.daemon = True
    forced_end.start()
