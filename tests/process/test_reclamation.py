"""Under pressure the biggest holders lose audio first, and every message arrives."""

from __future__ import annotations

import json
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection

from tests.process.processes import GIVE_UP_AFTER_S, PORTS, TOKEN, Start, device, ends, read_until

BIG, SMALL = 8, 20  # devices
FRAMES = 400  # of each big one; of a small one five
FRAME = bytes(1_000)
MESSAGES = 10
ACTS_FROM = 0.85
LIMIT_BYTES = 3_500_000

HANDLER = """
import asyncio
from pathlib import Path

from keepline import Handler
from keepline.messages import Custom, Tts


class Slow(Handler):
    def __init__(self):
        self.heard = 0

    async def audio(self, session, frame):
        self.heard += 1
        while not Path("go").exists():
            await asyncio.sleep(0.05)

    def text(self, session, message):
        if message.payload == "pour":
            session.send(Tts("start"))
            for _ in range(400):
                session.send_audio(bytes(1000))
            session.send(Tts("stop"))
        else:
            session.send(Custom([message.payload, self.heard]))
"""


def says(connection: ClientConnection, payload: object) -> None:
    connection.send(json.dumps({"type": "custom", "payload": payload}))


def talks(connection: ClientConnection, frames: int) -> None:
    """Say so many frames, and messages in between."""
    for message in range(MESSAGES):
        for _ in range(frames // MESSAGES):
            connection.send(FRAME)
        says(connection, message)


def hears(connection: ClientConnection) -> Any:
    """Return the next message."""
    while True:
        message = connection.recv(GIVE_UP_AFTER_S)
        if isinstance(message, str):
            return json.loads(message)


def force(admin_port: object, pressure: float | None) -> None:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{admin_port}/api/governor/force",
        data=json.dumps({"pressure": pressure}).encode(),
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(asked, timeout=GIVE_UP_AFTER_S).close()


def test_the_biggest_lose_audio_first_and_every_message_arrives(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(HANDLER)
    settings = (
        f"inbox.audio_frames={FRAMES}",
        f"inbox.bytes={2 * FRAMES * len(FRAME)}",
        f"outbox.audio_frames={FRAMES}",
        f"outbox.bytes={2 * FRAMES * len(FRAME)}",
        "governor.queued_lo_bytes=0",
        f"governor.queued_hi_bytes={LIMIT_BYTES}",
        "governor.disabled=slow,hold,shed,resumes_only,none",
    )
    options = [part for each in settings for part in ("--set", each)]
    process = start("serve", "slow:Slow", *PORTS, "--token", TOKEN, *options)
    ports = read_until(process.stderr, "started")
    with ExitStack() as stack:
        small = [
            stack.enter_context(device(ports["port"], f"small-{n}", max_queue=None))
            for n in range(SMALL)
        ]
        big = [
            stack.enter_context(device(ports["port"], f"big-{n}", max_queue=None))
            for n in range(BIG)
        ]
        for each in small:
            talks(each, MESSAGES)
        for each in big:
            talks(each, FRAMES)
        given_up = read_until(process.stderr, "audio_given_up")
        assert ACTS_FROM * LIMIT_BYTES / 3 < float(str(given_up["freed_bytes"])) < LIMIT_BYTES
        (tmp_path / "go").touch()
        heard = {}
        for each in (*small, *big):
            answers = [hears(each)["payload"] for _ in range(MESSAGES)]
            assert [number for number, _ in answers] == list(range(MESSAGES))
            heard[each] = answers[-1][1]
        assert {heard[each] for each in small} == {MESSAGES}
        lost = sum(FRAMES - heard[each] for each in big)
        assert lost * len(FRAME) >= float(str(given_up["freed_bytes"]))

        says(big[0], "pour")
        assert hears(big[0]) == {"type": "tts", "state": "start"}
        force(ports["admin_port"], ACTS_FROM)
        says(big[0], "is still here")
        told = [hears(big[0]) for _ in range(2)]
        assert {"type": "tts", "state": "stop"} in told  # not after 24 s of audio
        assert [each["payload"][0] for each in told if each["type"] == "custom"] == [
            "is still here"
        ]
    process.terminate()
    assert ends(process)[0] == 0
