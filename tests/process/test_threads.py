"""A handler's thread that computes keeps the loop from its turn for a millisecond, not for five."""

from __future__ import annotations

import json
from pathlib import Path

from websockets.sync.client import connect

from keepline.app.process import THREAD_TURN_S
from tests.process.processes import GIVE_UP_AFTER_S, PORTS, TOKEN, Start, ends, read_until

TELLING = """
import sys

from keepline import Handler
from keepline.messages import Custom


class Telling(Handler):
    def opened(self, session):
        session.send(Custom(payload=sys.getswitchinterval()))
"""


def test_a_thread_has_to_let_the_loop_go_on_soon(start: Start, tmp_path: Path) -> None:
    (tmp_path / "telling.py").write_text(TELLING)
    process = start("serve", "telling:Telling", *PORTS, "--token", TOKEN)
    port = read_until(process.stderr, "started")["port"]
    with connect(
        f"ws://127.0.0.1:{port}/xiaozhi/v1/",
        additional_headers={"Authorization": f"Bearer {TOKEN}", "Device-Id": "02:00:00:00:00:01"},
        compression=None,
        proxy=None,
        close_timeout=0.1,
    ) as device:
        device.send('{"type":"hello","version":1,"transport":"websocket"}')
        device.recv(GIVE_UP_AFTER_S)
        told = json.loads(device.recv(GIVE_UP_AFTER_S))["payload"]
    assert told == THREAD_TURN_S
    process.terminate()
    assert ends(process)[0] == 0
