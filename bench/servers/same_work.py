"""What every server compared here does alike: options, the hello, the listen mode, the pace."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal
from typing import TYPE_CHECKING, Any

import msgspec
import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BACKLOG = 4096
MESSAGE_BYTES = 65536

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Options(argparse.Namespace):
    """From the command line."""

    port: int
    token: str
    interval_s: float


def hello_answer(text: str | bytes, session_id: str) -> str:
    """The server's hello for a device's; ValueError if it is none."""
    hello = _decode(text)
    if hello.get("type") != "hello":
        raise ValueError("the first message must be a hello")
    return (
        f'{{"type":"hello","transport":"websocket","session_id":"{session_id}",'
        '"audio_params":{"format":"opus","sample_rate":24000,"channels":1,"frame_duration":60}}'
    )


def is_listening(text: str | bytes, *, before: bool) -> bool:
    """Whether audio is to be echoed after this message."""
    message = _decode(text)
    if message.get("type") == "listen":
        return bool(message.get("state") == "start")
    return before


def run(serve: Callable[[Options], Awaitable[None]]) -> None:
    """Parse the options, start the server on uvloop, and run until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--interval-s", type=float, required=True)
    options = parser.parse_args(namespace=Options())

    async def until_told() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await serve(options)
        await stop.wait()

    gc.collect()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(until_told())
