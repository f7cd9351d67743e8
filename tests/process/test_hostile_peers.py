"""Each class of attack above its limit, on a process of its own: what it costs, who is served.

That a limit lets pass what is below and at it is shown by the tests of the module that has it;
docs/hostile-peers.md names them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepline.wire.frames import Opcode, encode_masked
from tests.gateway.peers import HELLO, KEY, request
from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, TOKEN
from tests.process.test_capacity import waited_s

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MOST_GROWN_BYTES = 2 * 1024 * 1024
SERVED_WITHIN_S = 2.0  # without what others had the cores for; a stall would be longer
ATTACK_S = 0.4
OURS, THEIRS = "127.0.0.1", "127.0.0.66"  # who fails at an address is refused there
numbers = itertools.count()
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Attack = Callable[[int], None]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__] = function
    return function


class Gateway:
    """A gateway in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.pid = process.pid
        self.port = port

    @property
    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_BYTES


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    log = tmp_path_factory.mktemp("gateway") / "log"
    impatient = ("--set", "profiles.xiaozhi.hello_timeout_s=1")
    with log.open("w") as output:
        running = subprocess.Popen(
            [*KEEPLINE, "serve", *PORTS, "--token", TOKEN, *impatient],
            stdout=subprocess.DEVNULL,
            stderr=output,
            text=True,
        )
    try:
        yield Gateway(running, _port_of(log))
    finally:
        running.kill()
        running.wait()


def _port_of(log: Path) -> int:
    until = time.monotonic() + GIVE_UP_AFTER_S
    while time.monotonic() < until:
        for line in log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                if (told := json.loads(line))["event"] == "started":
                    return int(told["port"])
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def connected(port: int, source: str = THEIRS) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), GIVE_UP_AFTER_S, (source, 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def hello(device_id: str) -> bytes:
    asked = request(Device_Id=device_id, Authorization=f"Bearer {TOKEN}")
    return asked + encode_masked(Opcode.TEXT, HELLO.encode(), KEY)


def live(port: int, device_id: str = "", source: str = THEIRS) -> socket.socket:
    sock = connected(port, source)
    sock.sendall(hello(device_id or f"attacker-{next(numbers)}"))
    seen = b""
    while b'"hello"' not in seen:
        more = sock.recv(65_536)
        assert more, seen
        seen += more
    return sock


def press(sock: socket.socket, data: bytes, *, reading: bool = True) -> None:
    """Send the same again and again for ATTACK_S, or until it is thrown out."""
    until = time.monotonic() + ATTACK_S
    sock.settimeout(0.05)
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                sock.send(data)
            if reading:
                with contextlib.suppress(BlockingIOError, TimeoutError):
                    sock.recv(65_536)


def frames(opcode: int, payload: bytes, count: int = 512) -> bytes:
    return encode_masked(opcode, payload, KEY) * count


def unfinished(opcode: int, payload: bytes) -> bytes:
    whole = encode_masked(opcode, payload, KEY)
    return bytes((whole[0] & 0x7F,)) + whole[1:]


# -- before the upgrade --------------------------------------------------------------------


@attack
def connects_and_resets(port: int) -> None:
    until = time.monotonic() + ATTACK_S
    while time.monotonic() < until:
        connected(port).close()


@attack
def silent_sockets(port: int) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(256):
            held.enter_context(connected(port))
        time.sleep(ATTACK_S)


@attack
def half_requests(port: int) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(256):
            held.enter_context(connected(port)).sendall(request()[:60])
        time.sleep(ATTACK_S)


@attack
def an_endless_header(port: int) -> None:
    with connected(port) as sock:
        sock.sendall(b"GET /xiaozhi/v1/ HTTP/1.1\r\nX: ")
        press(sock, b"x" * 65_536)


@attack
def endless_header_lines(port: int) -> None:
    with connected(port) as sock:
        sock.sendall(b"GET /xiaozhi/v1/ HTTP/1.1\r\n")
        press(sock, b"A: b\r\n" * 1_000)


@attack
def requests_in_a_row(port: int) -> None:
    with connected(port) as sock:
        press(sock, request(Authorization="Bearer wrong") * 50)


@attack
def guesses(port: int) -> None:
    for number in range(200):
        with connected(port, "127.0.0.67") as sock:
            sock.sendall(request(Device_Id=f"guess-{number}", Authorization="Bearer wrong"))
            sock.recv(4_096)


@attack
def upgrades_without_hello(port: int) -> None:
    with contextlib.ExitStack() as held:
        for number in range(128):
            sock = held.enter_context(connected(port))
            sock.sendall(request(Device_Id=f"mute-{number}", Authorization=f"Bearer {TOKEN}"))
        time.sleep(ATTACK_S)


# -- after it ------------------------------------------------------------------------------


@attack
def pings(port: int) -> None:
    with live(port) as sock:
        press(sock, frames(Opcode.PING, b"?" * 16))


@attack
def pings_of_which_no_pong_is_read(port: int) -> None:
    with live(port) as sock:
        press(sock, frames(Opcode.PING, b"?" * 125), reading=False)


@attack
def pongs(port: int) -> None:
    with live(port) as sock:
        press(sock, frames(Opcode.PONG, b""))


@attack
def empty_frames(port: int) -> None:
    with live(port) as sock:
        press(sock, frames(Opcode.BINARY, b""))


@attack
def messages_one_by_one(port: int) -> None:
    with live(port) as sock:
        press(sock, frames(Opcode.TEXT, b"x", 1), reading=False)


@attack
def messages_as_many_as_fit_into_a_turn(port: int) -> None:
    with live(port) as sock:
        press(sock, frames(Opcode.BINARY, bytes(120), 60), reading=False)


@attack
def large_messages(port: int) -> None:
    with live(port) as sock:
        press(sock, frames(Opcode.BINARY, bytes(60_000), 4))


@attack
def fragments_without_end(port: int) -> None:
    with live(port) as sock:
        sock.sendall(unfinished(Opcode.TEXT, b"{"))
        press(sock, unfinished(Opcode.CONTINUATION, b"x") * 512)


@attack
def a_message_that_stops_short_of_its_limit(port: int) -> None:
    with live(port) as sock:
        sock.sendall(unfinished(Opcode.BINARY, bytes(60_000)))
        time.sleep(ATTACK_S)


@attack
def a_lying_length(port: int) -> None:
    with live(port) as sock:
        sock.sendall(bytes((0x82, 0xFF)) + (2**62).to_bytes(8) + KEY)
        press(sock, bytes(65_536))


@attack
def a_message_in_single_bytes(port: int) -> None:
    with live(port) as sock:
        for byte in encode_masked(Opcode.BINARY, bytes(2_000), KEY):
            sock.send(bytes((byte,)))


@attack
def random_bytes(port: int) -> None:
    with live(port) as sock:
        press(sock, os.urandom(65_536))


@attack
def echoes_that_nobody_reads(port: int) -> None:
    listen = {"type": "listen", "state": "start", "mode": "realtime"}
    with live(port) as sock:
        sock.sendall(encode_masked(Opcode.TEXT, json.dumps(listen).encode(), KEY))
        press(sock, frames(Opcode.BINARY, bytes(120)), reading=False)


@attack
def deep_json(port: int) -> None:
    with live(port) as sock:
        press(sock, encode_masked(Opcode.TEXT, b'{"type":"x","payload":' + b"[" * 60_000, KEY))


@attack
def huge_numbers(port: int) -> None:
    with live(port) as sock:
        number = b'{"type":"custom","payload":' + b"9" * 60_000 + b"}"
        press(sock, encode_masked(Opcode.TEXT, number, KEY))


@attack
def comes_and_goes(port: int) -> None:
    until = time.monotonic() + ATTACK_S
    while time.monotonic() < until:
        with contextlib.suppress(AssertionError, ConnectionError), live(port, "flapping"):
            pass


@attack
def takes_its_device_from_itself(port: int) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(8):
            with contextlib.suppress(AssertionError, ConnectionError):
                held.enter_context(live(port, "twin"))


def served_in_s(gateway: Gateway, good: socket.socket) -> float:
    """Return how long the round trip of a good device takes, while both sides have a core."""

    def now_s() -> float:
        return time.monotonic() - waited_s(gateway.pid) - waited_s(os.getpid())

    began = now_s()
    good.sendall(encode_masked(Opcode.PING, b"?", KEY))
    seen = b""
    while not seen.endswith(b"\x8a\x01?"):
        more = good.recv(65_536)
        assert more
        seen += more
    return now_s() - began


@pytest.mark.parametrize("kind", ATTACKS)
def test_an_attacker_costs_little_and_a_good_device_is_served(gateway: Gateway, kind: str) -> None:
    with live(gateway.port, "good", OURS) as good:
        ATTACKS[kind](gateway.port)  # what is allocated once
        before_bytes = gateway.resident_bytes
        ATTACKS[kind](gateway.port)
        assert served_in_s(gateway, good) < SERVED_WITHIN_S
        assert gateway.resident_bytes - before_bytes <= MOST_GROWN_BYTES
    with live(gateway.port, f"after-{kind}", OURS):
        pass  # who comes after it is let in
