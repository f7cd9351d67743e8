"""The processes of a run: a server under test, and load generators. All end with their block."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.candidates import TOKEN, Candidate, Start
from bench.procfs import cpu, open_files
from bench.readings import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_WITHIN_S = 20.0
_STOP_WITHIN_S = 10.0
_REST_S = 0.2
_BOUNDED = {
    "connect",
    "converse",
    "say",
    "hear",
    "keep",
    "depart",
}  # commands that are told how long they have
_AT_REST = 0.02  # of a core: timers run
# Below the range that source ports are taken from; two runs at once start apart.
_ports = itertools.count(18_100 + os.getpid() % 10_000)


@dataclass
class Server:
    """A candidate, running and accepting."""

    candidate: Candidate
    pid: int
    port: int
    admin_port: int
    log: Path
    folder: Path
    process: subprocess.Popen[bytes]
    has_ended: bool = False  # because it was told to

    def metrics(self) -> dict[str, float]:
        """Its metrics page, read as Prometheus would, as a value for each series."""
        address = f"http://127.0.0.1:{self.admin_port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as page:
            lines: list[str] = page.read().decode().splitlines()
        series = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in series}

    def await_open_files(self, at_most: int, within_s: float) -> None:
        """Wait until the server has closed what it held; BenchError when it does not."""
        deadline = time.monotonic() + within_s
        while (held := open_files(self.pid)) > at_most:
            if time.monotonic() > deadline:
                raise BenchError(f"{held} descriptors still open {within_s:g} s after all left")
            time.sleep(0.05)

    def await_rest(self, within_s: float) -> None:
        """Wait until it does nothing any more: what it writes behind is part of what it did."""
        deadline = time.monotonic() + within_s
        ran_ns = cpu(self.pid).ran_ns
        while True:
            time.sleep(_REST_S)
            before_ns, ran_ns = ran_ns, cpu(self.pid).ran_ns
            if ran_ns - before_ns < _AT_REST * _REST_S * 1e9:
                return
            if time.monotonic() > deadline:
                raise BenchError(f"still at work {within_s:g} s later")


class Load:
    """A load generator process; see `bench.load.__main__` for the commands."""

    def __init__(self, process: subprocess.Popen[str], server: Server) -> None:
        self._process = process
        self._server = server
        self.pid = process.pid
        self.port = server.port

    def connect(self, count: int, *, tls: bool = False) -> None:
        """`count` more devices, up to the server's hello; BenchError unless all get there."""
        target = {"port": self._server.port, "token": TOKEN, "tls": tls}
        within_s = 30 + count / 100
        answer = self.order("connect", within_s, count=count, **target)
        if answer["refused"]:
            raise BenchError(f"{answer['refused']} devices refused: {answer['last_refusal']}")

    def order(self, do: str, within_s: float, **arguments: Any) -> dict[str, Any]:
        """Have a command done; BenchError if it fails, is late, or devices were lost."""
        if do in _BOUNDED:
            arguments["within_s"] = within_s
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], within_s + 15)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise BenchError(f"the load generator did not answer {do!r}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchError(f"{do}: {answer['error']}; server log: {_tail(self._server.log)}")
        if answer["lost"]:
            lost = f"the server dropped {answer['lost']} devices"
            raise BenchError(f"{do}: {lost}; server log: {_tail(self._server.log)}")
        return answer

    def pings(self) -> int:
        """Pings answered so far."""
        answered: int = self.order("count", 5)["pings"]
        return answered


@contextlib.contextmanager
def running(
    candidate: Candidate, *, interval_s: float | None = None, idle_after_s: float | None = None
) -> Iterator[Server]:
    """Start the candidate, wait until it accepts, and stop it at the end of the block."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        running_in(Path(name), candidate, interval_s, idle_after_s) as server,
    ):
        yield server


@contextlib.contextmanager
def running_in(
    folder: Path, candidate: Candidate, interval_s: float | None, idle_after_s: float | None
) -> Iterator[Server]:
    """As `running`, with a folder in which there may be what an earlier one has left."""
    start = Start(_free_port(), _free_port(), interval_s, idle_after_s, folder)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            candidate.command(start),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is ours; the block's end is theirs
        )
    try:
        _await_listening(process, start.port, log)
        server = Server(candidate, process.pid, start.port, start.admin_port, log, folder, process)
        server.await_rest(within_s=_START_WITHIN_S)  # some listen before they have opened all else
        yield server
        if process.poll() is not None and not server.has_ended:
            raise BenchError(f"the server ended by itself: {_tail(log)}")
    finally:
        _stop(process)


@contextlib.contextmanager
def loading(server: Server) -> Iterator[Load]:
    """A load generator against `server`, ended with the block."""
    command = [sys.executable, "-m", "bench.load"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
    try:
        yield Load(process, server)
    finally:
        _stop(process)


def _free_port() -> int:
    for port in _ports:
        with socket.socket() as attempt, contextlib.suppress(OSError):
            attempt.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def _await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"the server ended with {process.returncode}: {_tail(log)}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise BenchError(f"the server did not listen within {_START_WITHIN_S:g} s: {_tail(log)}")


def _stop(process: subprocess.Popen[Any]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.terminate()
    try:
        process.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    """The last words of a server: of a traceback, what was wrong."""
    lines = log.read_text(errors="replace").split("\n")
    words = [line.strip() for line in lines if line.strip()][-2:]
    return " | ".join(words)[-300:] or "(empty log)"
