"""The program of the process that looks after workers."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

from keepline.app.workers.broker import Broker
from keepline.app.workers.supervisor import Supervisor
from keepline.app.workers.terms import Terms
from keepline.clock import SystemClock
from keepline.errors import StartError
from keepline.log import Log

HEARD: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LAST_LINES_S: Final = 2.0
NOT_STARTED: Final = 2


def main(text: str) -> int:
    """Have workers there until SIGTERM or SIGINT; return the exit status."""
    terms = Terms.of(text)
    clock = SystemClock()
    log = Log(
        sys.stderr,
        clock,
        level=terms.log_level,
        style=terms.log_style,
        fold_per_s=terms.log_fold_per_s,
    )
    log.start()
    try:
        return asyncio.run(_supervised(terms, clock, log))
    except StartError as error:
        log.error("not_started", problem=error.problem, hint=error.hint)
        return NOT_STARTED
    finally:
        log.stop(LAST_LINES_S)
        shutil.rmtree(terms.run_dir, ignore_errors=True)


async def _supervised(terms: Terms, clock: SystemClock, log: Log) -> int:
    devices, admin = terms.sockets()
    run_dir = Path(terms.run_dir)
    broker = None
    if terms.broker:
        store = terms.store()
        broker = Broker(terms.broker, store, run_dir, lock=terms.lock, clock=clock, log=log)
    supervisor = Supervisor(
        terms.command,
        terms.arguments,
        terms.workers,
        devices=devices,
        admin=admin,
        run_dir=run_dir,
        data_dir=terms.lock,
        broker=broker,
        clock=clock,
        log=log,
    )
    supervisor.heed_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
    try:
        return await supervisor.run()
    finally:
        # Sent again it finds nobody, and must not keep the end from being a clean one.
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
