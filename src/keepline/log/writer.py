"""Lines on their way out: a reader who does not read stops the writing, and nobody else."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

LOOK_S = 0.1
"""How long the thread waits for a slow reader before it looks whether it should end."""

RETRY_S = 1.0
"""How long it leaves a descriptor alone whose reader has gone, or whose disk is full."""


class Writer:
    """Writes lines to `stream`: at once until `start`, then from a thread of its own.

    The thread writes to a copy of the stream's descriptor; a stream that has none, being in memory
    or somebody's own object, is written at once always, and `None` takes nothing. At `most_lines`
    or `most_bytes` no more is taken, until half of it is out. What was taken keeps its order.
    """

    def __init__(self, stream: TextIO | None, *, most_lines: int, most_bytes: int) -> None:
        self._stream = stream
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._full = False
        self._descriptor = -1
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition(threading.Lock())
        self._ending = False  # write what is there, and end
        self._given_up = False  # end without
        self._ended = stream is None

    @property
    def waiting_lines(self) -> int:
        """How many lines wait."""  # no `__len__`: an empty one must not pass for none
        return len(self._lines)

    @property
    def waiting_bytes(self) -> int:
        """What waits takes."""
        return self._bytes

    @property
    def takes_lines(self) -> bool:
        """Whether the next line has room; else it is lost."""
        lines, size_bytes = len(self._lines), self._bytes
        if self._full:
            self._full = lines > self._most_lines // 2 or size_bytes > self._most_bytes // 2
        else:
            self._full = lines >= self._most_lines or size_bytes >= self._most_bytes
        return not (self._full or self._ended)

    def write(self, text: str) -> None:
        """Take one line with its end; never waits once started. Raises OSError before."""
        assert self._stream is not None
        if self._thread is None:
            self._stream.write(text)
            return
        line = text.encode(self._stream.encoding or "utf-8", "backslashreplace")
        with self._changed:
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify()

    def flush(self) -> None:
        """Pass on what a stream of somebody's own may hold back; the thread holds nothing back."""
        if self._thread is None and self._stream is not None:
            self._stream.flush()

    # -- the thread ------------------------------------------------------------------------

    def start(self) -> None:
        """Write from a thread from now on, where the stream has a descriptor."""
        if self._stream is None or self._thread is not None:
            return
        try:
            self._stream.flush()
            self._descriptor = os.dup(self._stream.fileno())
        except (OSError, ValueError, AttributeError):
            return
        # A daemon: one that hangs in a write must not keep the process.
        self._thread = threading.Thread(target=self._run, name="keepline-log", daemon=True)
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Write what is there, as far as it is read within that time, and take no more."""
        self._ended = True
        thread = self._thread
        if thread is None:
            return
        with self._changed:
            self._ending = True
            self._changed.notify()
        thread.join(within_s)
        self._given_up = True
        thread.join(2 * LOOK_S)

    def _run(self) -> None:
        try:
            while piece := self._next_piece():
                try:
                    written = self._written(piece)
                except OSError:
                    if not self._wait_for_better():
                        return
                else:
                    self._remove(written)
        finally:
            os.close(self._descriptor)

    def _next_piece(self) -> bytes:
        """Return whole lines, as many as fit a pipe that takes any, or a part of a long one."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._ending)
            if self._given_up or not self._lines:
                return b""
            piece = self._lines[0][: select.PIPE_BUF]
            for line in islice(self._lines, 1, None):
                if len(piece) + len(line) > select.PIPE_BUF:
                    break
                piece += line
            return piece

    def _written(self, piece: bytes) -> int:
        """Write a piece and return how much of it; 0 when given up. Raises OSError."""
        # The descriptor belongs to others, too, so it stays a blocking one: ask before.
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while not poll.poll(LOOK_S * 1000):
            if self._given_up:
                return 0
        return os.write(self._descriptor, piece)

    def _wait_for_better(self) -> bool:
        """Wait before the next try; False when there is none, since the end is wanted."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._ending, RETRY_S)

    def _remove(self, count_bytes: int) -> None:
        with self._changed:
            self._bytes -= count_bytes
            while count_bytes:
                line = self._lines[0]
                if count_bytes < len(line):
                    self._lines[0] = line[count_bytes:]
                    return
                self._lines.popleft()
                count_bytes -= len(line)
