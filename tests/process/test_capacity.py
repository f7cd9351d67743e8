"""A gateway that is filled to a limit says before how many devices will fit."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keepline.wire.frames import Opcode, encode_masked
from tests.gateway.peers import HELLO, KEY, request
from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, TOKEN, get, read_until
from tests.process.test_descriptors import cpu_s

KIB = 1_024
HELD_KIB = 128  # by each session of the handler below
KERNEL_KIB = 4
WITHIN = 0.15
MOST_AWAY = 0.15  # of the time; a core that is shared by more is no limit that can be forecast

HANDLER = f"""
import time

from keepline import Handler

class Heavy(Handler):
    def opened(self, session):
        self.held = [bytes([each % 256]) * 1024 for each in range({HELD_KIB})]

    def audio(self, session, data):
        until_s = time.thread_time() + 0.001
        while time.thread_time() < until_s:
            pass
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Filled:
    """A gateway of heavy handlers, and the devices that it is filled with."""

    def __init__(self, folder: Path, *settings: str, descriptors: int = 1_024) -> None:
        folder.joinpath("heavy.py").write_text(HANDLER)
        options = [part for each in ("monitor.interval_s=1", *settings) for part in ("--set", each)]
        self.process = subprocess.Popen(
            [*KEEPLINE, "serve", "heavy:Heavy", *PORTS, "--token", TOKEN, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            preexec_fn=lambda: resource.setrlimit(  # noqa: PLW1509 (no threads here)
                resource.RLIMIT_NOFILE, (descriptors, descriptors)
            ),
        )
        started = read_until(self.process.stderr, "started")
        self._port, self._admin_port = started["port"], started["admin_port"]
        self.devices: list[socket.socket] = []

    def more(self, count: int) -> bool:
        """Let so many more connect; False as soon as one is turned away."""
        for _ in range(count):
            device = socket.create_connection(("127.0.0.1", int(str(self._port))), timeout=10)
            self.devices.append(device)
            name = f"device-{len(self.devices)}"
            device.sendall(
                request(Device_Id=name, Authorization=f"Bearer {TOKEN}")
                + encode_masked(Opcode.TEXT, HELLO.encode(), KEY)
            )
            seen = b""
            while b'"type":"hello"' not in seen:
                try:
                    more = device.recv(65_536)
                except ConnectionError:
                    more = b""
                if not more or seen.startswith(b"HTTP/1.1 503"):
                    self.devices.pop().close()
                    return False
                seen += more
        return True

    def forecast(self, **query: Any) -> Any:
        status, body = get(self._admin_port, f"/api/capacity?{urllib.parse.urlencode(query)}")
        assert status == 200, body
        return json.loads(body)

    def seen(self, is_enough: Callable[[Any], bool], **query: Any) -> Any:
        """Return the first forecast that is enough."""
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        while time.monotonic() < give_up_at:
            with contextlib.suppress(OSError):  # 503 before the first sample
                found = self.forecast(**query)
                if is_enough(found):
                    return found
            time.sleep(0.2)
        raise AssertionError(f"not within {GIVE_UP_AFTER_S} s: {found}")

    def rss_kib(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() // KIB

    def fill_slowly(self, to: int, step: int) -> None:
        """Let devices connect so that each second's sample has some more of them."""
        while len(self.devices) < to:
            assert self.more(step)
            self.seen(lambda found: bool(found["sessions"] == len(self.devices)))

    def fill_up_to(self, limit_kib: int) -> None:
        """Let devices connect until three quarters of a memory limit are used."""
        while self.rss_kib() + KERNEL_KIB * len(self.devices) < 0.75 * limit_kib:
            assert self.more(5)

    def let_go(self, count: int) -> None:
        """Let so many leave, those that came first."""
        for _ in range(count):
            self.devices.pop(0).close()

    def next_sample(self) -> None:
        """Return when one more was taken."""

        def at() -> str:
            body = get(self._admin_port, "/api/monitor/summary")[1]
            return str(json.loads(body)["at"])

        before, give_up_at = at(), time.monotonic() + GIVE_UP_AFTER_S
        while at() == before:
            assert time.monotonic() < give_up_at
            time.sleep(0.2)

    def end(self) -> None:
        for device in self.devices:
            device.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Callable[..., Filled]]:
    running: list[Filled] = []

    def start(*settings: str, **options: int) -> Filled:
        running.append(Filled(tmp_path, *settings, **options))
        return running[-1]

    yield start
    for each in running:
        each.end()


def test_memory_ends_where_it_was_forecast_with_a_cost_that_was_learned(
    filled: Callable[..., Filled],
) -> None:
    gateway = filled()
    gateway.seen(lambda _: True)
    limit_kib = 2 * gateway.rss_kib()  # of which three quarters may be used
    gateway.fill_slowly(6, step=3)
    assert not gateway.forecast(memory_bytes=limit_kib * KIB)["known"]
    gateway.fill_slowly(86, step=16)
    found = gateway.seen(
        lambda found: bool(found["rooms"][0]["learned"] and found["known"]),
        memory_bytes=limit_kib * KIB,
    )
    assert (found["limited_by"], found["rooms"][0]["resource"]) == ("memory", "memory")
    gateway.fill_up_to(limit_kib)
    assert found["most"] == pytest.approx(len(gateway.devices), rel=WITHIN)
    assert found["least"] <= len(gateway.devices) <= found["best"]


def test_after_a_crowd_has_left_the_next_one_is_forecast_with_the_room_it_left(
    filled: Callable[..., Filled],
) -> None:
    gateway = filled()
    gateway.seen(lambda _: True)
    limit_kib = 2 * gateway.rss_kib()
    gateway.fill_slowly(100, step=20)  # so few that nothing is asked back of the C library
    gateway.let_go(80)
    gateway.seen(lambda found: bool(found["sessions"] == 20))
    for _ in range(3):
        gateway.next_sample()
    found = gateway.forecast(memory_bytes=limit_kib * KIB)
    assert found["limited_by"] == "memory"
    gateway.fill_up_to(limit_kib)
    assert len(gateway.devices) > 120
    assert found["most"] == pytest.approx(len(gateway.devices), rel=WITHIN)


def test_who_is_silent_does_not_talk_though_it_is_not_idle_yet(
    filled: Callable[..., Filled],
) -> None:
    gateway = filled("session.idle_after_s=600")
    assert gateway.more(16)
    gateway.seen(lambda found: bool(found["sessions"] == 16))
    frame = encode_masked(Opcode.BINARY, b"\x5a" * 120, KEY)

    def talk_share_is(wanted: float) -> Callable[[Any], bool]:
        def is_so(found: Any) -> bool:
            for device in gateway.devices[:4]:
                device.sendall(frame)
            return bool(found["terms"]["talk_share"] == pytest.approx(wanted, abs=0.05))

        return is_so

    assert gateway.forecast()["terms"]["talk_share"] == 0
    gateway.seen(talk_share_is(0.25))


def test_descriptors_end_where_it_was_forecast(filled: Callable[..., Filled]) -> None:
    gateway = filled(descriptors=300)
    assert gateway.more(60)
    found = gateway.seen(lambda found: bool(found["sessions"] == 60))
    assert found["limited_by"] == "descriptors"
    while gateway.more(1):
        pass
    assert found["most"] == pytest.approx(len(gateway.devices), rel=WITHIN)


def test_the_number_in_the_settings_ends_it_where_it_was_forecast(
    filled: Callable[..., Filled],
) -> None:
    gateway = filled("server.max_connections=90")
    assert gateway.more(30)
    found = gateway.seen(lambda found: bool(found["sessions"] == 30))
    assert (found["limited_by"], found["left"]) == ("connections", 60)
    assert gateway.more(60)
    assert not gateway.more(1)


def waited_s(pid: int) -> float:
    """Return how long its loop could have run while others had the cores."""
    found = Path(f"/proc/{pid}/schedstat")
    return int(found.read_text().split()[1]) / 1e9 if found.exists() else 0.0


@pytest.mark.soak
def test_cpu_ends_where_it_was_forecast(filled: Callable[..., Filled]) -> None:
    """Needs a core that is nobody else's; each device has a frame every 60 ms, of 1 ms."""
    gateway = filled("session.idle_after_s=600")
    frame = encode_masked(Opcode.BINARY, b"\x5a" * 120, KEY)
    found, used = None, 0.0
    while used < 0.8:
        assert gateway.more(4)
        began, before_s = time.monotonic(), cpu_s(gateway.process.pid)
        waited_before_s = waited_s(gateway.process.pid)
        for turn in range(80):
            for device in gateway.devices:
                device.sendall(frame)
            time.sleep(max(0.0, began + 0.06 * (turn + 1) - time.monotonic()))
        # Of the time it was meant to take: a machine that is busy elsewhere sends late.
        used = (cpu_s(gateway.process.pid) - before_s) / (80 * 0.06)
        away = (waited_s(gateway.process.pid) - waited_before_s) / (80 * 0.06)
        if away > MOST_AWAY:
            pytest.skip(f"its core was another's for {away:.0%} of the time")
        if found is None and len(gateway.devices) >= 16:
            found = gateway.forecast()
    assert found is not None
    assert found["limited_by"] == "cpu", found
    assert found["rooms"][1]["learned"]
    assert found["most"] == pytest.approx(len(gateway.devices), rel=WITHIN)
