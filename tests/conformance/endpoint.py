"""Starts the echo endpoint as its own process on a free port, and stops it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


class EndpointError(Exception):
    """The tested server did not start, died, did not stop, or logged a traceback."""


@contextmanager
def running(log: Path) -> Iterator[str]:
    """The URL of a fresh endpoint, whose output goes to `log`. Raises EndpointError."""
    port = _free_port()
    command = [sys.executable, "-m", "tests.conformance.echo_server", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_listening(process, port, log)
        yield f"ws://127.0.0.1:{port}/"
        if process.poll() is not None:
            raise EndpointError(f"the endpoint died, exit {process.returncode}: see {log}")
    finally:
        stopped = _stop(process)
    if not stopped:
        raise EndpointError(f"the endpoint did not stop within {STOP_TIMEOUT_S:g} s of SIGTERM")
    if "Traceback" in log.read_text(errors="replace"):
        raise EndpointError(f"the endpoint logged a traceback: see {log}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    last_words = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise EndpointError(
        f"the endpoint does not listen on port {port}; its last words:\n{last_words}"
    )


def _stop(process: subprocess.Popen[bytes]) -> bool:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True
