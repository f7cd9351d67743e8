"""The handler of the drain's figure: each session has a state, and a message nobody acknowledges.

It also looks at the loop that it runs on, and at its process' end writes what it saw to a file.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from keepline.handlers.echo import Echo
from keepline.messages import Alert

if TYPE_CHECKING:
    from keepline import Session

STALLS = "BENCH_STALLS"
"""The environment's name for the file."""

EVERY_S = 0.002
WORTH_TELLING_S = 0.003
MOST_TOLD = 100_000


class Keeping(Echo):
    """Says one thing in its life, and remembers its device."""

    __slots__ = ("_device_id",)

    def opened(self, session: Session) -> None:
        """Say it."""
        watch_the_loop()
        self._device_id = session.device_id
        session.send(Alert(status="Note", message="kept", emotion="neutral"))

    def restore(self, state: bytes) -> None:
        """Be who it was."""
        self._device_id = state.decode().strip()

    def resumed(self, session: Session) -> None:
        """Have nothing to add."""

    def snapshot(self) -> bytes:
        """What a small application keeps of a conversation."""
        return self._device_id.ljust(200).encode()


class LoopWatch:
    """A timer of 2 ms. Between two of its turns lies no more of CPU time than that and one turn.

    Time on the wall would count what other processes on the machine take.
    """

    def __init__(self) -> None:
        self.seen: deque[tuple[float, float]] = deque(maxlen=MOST_TOLD)
        self._loop = asyncio.get_running_loop()
        self._cpu_s = time.thread_time()
        self._look()

    def _look(self) -> None:
        cpu_s = time.thread_time()
        if cpu_s - self._cpu_s > WORTH_TELLING_S:
            self.seen.append((time.monotonic(), cpu_s - self._cpu_s))
        self._cpu_s = cpu_s
        self._loop.call_later(EVERY_S, self._look)


_watches: list[LoopWatch] = []


def watch_the_loop() -> None:
    """Begin with the first session; write what was seen when the process ends."""
    if _watches or STALLS not in os.environ:
        return
    watch = LoopWatch()
    _watches.append(watch)
    atexit.register(lambda: Path(os.environ[STALLS]).write_text(json.dumps(list(watch.seen))))
