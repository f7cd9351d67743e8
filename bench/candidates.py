"""Who is measured, and how each is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKEN = "bench-token-0123456789"


@dataclass(frozen=True)
class Start:
    """What one server process is started with."""

    port: int
    admin_port: int
    interval_s: float | None  # of its pings; None: its own default
    idle_after_s: float | None  # until a session counts as idle; None: its own default
    folder: Path


@dataclass(frozen=True)
class Candidate:
    """A server that can be measured."""

    name: str
    command: Callable[[Start], list[str]]
    has_metrics: bool = False
    packages: tuple[str, ...] = ("uvloop",)


def _peer(name: str, module: str, *packages: str) -> Candidate:
    def command(start: Start) -> list[str]:
        interval_s = "15" if start.interval_s is None else f"{start.interval_s:g}"
        options = ["--port", str(start.port), "--token", TOKEN, "--interval-s", interval_s]
        return [sys.executable, "-m", f"bench.servers.{module}", *options]

    return Candidate(name, command, packages=("uvloop", *packages))


# Keepline asks this much before its interval is over (the wheel's ticks, half the jitter); added to
# the interval, so that all ping at one pace.
_ASKS_EARLY_S = 0.55


def _keepline(start: Start) -> list[str]:
    """Production defaults; only paces are set, and only where a figure needs it.

    Audio may run ahead of real time as far as it likes, and as many messages may come: the load has
    a frame echoed as soon as it has the one before.
    """
    command = [sys.executable, "-m", "keepline", "serve"]
    command += ["--host", "127.0.0.1", "--port", str(start.port)]
    command += ["--admin-port", str(start.admin_port), "--token", TOKEN]
    command += ["--data", str(start.folder), "--set", "session.packets_ahead=1000000000"]
    command += ["--set", "wire.messages_per_s=1000000000"]
    if start.interval_s is not None:
        command += ["--set", f"heartbeat.interval_s={start.interval_s + _ASKS_EARLY_S:g}"]
    if start.idle_after_s is not None:
        command += ["--set", f"session.idle_after_s={start.idle_after_s:g}"]
    return command


FLOOR = "floor"
KEEPLINE = "keepline"
PICOWS = "picows"
WEBSOCKETS = "websockets"
CANDIDATES = (
    _peer(FLOOR, "floor"),
    Candidate(KEEPLINE, _keepline, has_metrics=True, packages=("uvloop", "httptools", "msgspec")),
    _peer(PICOWS, "picows_server", "picows", "aiofastnet"),
    _peer(WEBSOCKETS, "websockets_server", "websockets"),
    _peer("aiohttp", "aiohttp_server", "aiohttp"),
)
