"""Several workers on one machine: one port, one death that nobody else notices, one end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from keepline.app import line
from tests.process.processes import (
    GIVE_UP_AFTER_S,
    KEEPLINE,
    PORTS,
    TOKEN,
    device,
    ends,
    get,
    read_until,
)

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="workers are for Linux")

Line = dict[str, object]


class Machine:
    """A gateway of two workers, by its log."""

    def __init__(self, folder: Path, *options: str, handler: str = "echo") -> None:
        temporary = Path(tempfile.mkdtemp(prefix="k"))  # short: sockets are in it
        self.process = subprocess.Popen(
            [*KEEPLINE, "serve", handler, "--workers", "2", *PORTS, "--token", TOKEN, *options],
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        self.run = temporary
        self.data = folder / "data"
        self.pids: dict[object, int] = {}
        self.lines: list[Line] = []

    def until(self, event: str) -> Line:
        """Read the log up to a line of that event."""
        return read_until(self.process.stderr, event)

    def is_up(self) -> Line:
        """Read until all workers are there; note who they are."""
        assert self.process.stderr is not None
        for text in self.process.stderr:
            found: Line = json.loads(text)
            if found["event"] == "worker_ready":
                self.pids[found["worker"]] = int(str(found["pid"]))
            if found["event"] == "workers_started":
                return found
        raise AssertionError("it ended before it was up")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        for pid in self.pids.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.run, ignore_errors=True)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    running = Machine(tmp_path, "--data", "data")
    yield running
    running.close()


@contextmanager
def machine_of(folder: Path, *options: str, handler: str = "echo") -> Iterator[Machine]:
    running = Machine(folder, *options, handler=handler)
    try:
        yield running
    finally:
        running.close()


def test_devices_are_shared_by_all_workers_and_all_leave_together(machine: Machine) -> None:
    up = machine.is_up()
    many = 0
    with ExitStack() as devices:
        while min(sessions_by_worker(up["admin_port"])) < 4 and many < 200:
            for number in range(many, many := many + 8):
                devices.enter_context(device(up["port"], f"02:00:00:00:00:{number:02x}"))
        machine.process.terminate()
        status, _, log = ends(machine.process)
    left = [json.loads(text) for text in log.splitlines()]
    by_worker = {each["worker"]: each["sessions"] for each in left if "sessions" in each}
    assert sum(by_worker.values()) == many
    assert min(by_worker.values()) >= 4
    assert status == 0
    assert list(machine.run.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(str(up["port"]))))


def ask(port: object, path: str, body: Any = None) -> Any:
    """Ask the machine, as an operator: each time at a connection of its own."""
    answer = httpx.request(
        "GET" if body is None else "POST",
        f"http://127.0.0.1:{port}{path}",
        json=body,
        timeout=GIVE_UP_AFTER_S,
        trust_env=False,
    )
    assert answer.is_success, answer.text
    return answer.json()


def sessions_by_worker(port: object) -> list[int]:
    return [each["sessions"] or 0 for each in ask(port, "/api/workers")["workers"]]


def test_operators_ask_any_worker_and_hear_of_all(machine: Machine) -> None:
    up = machine.is_up()
    port = up["admin_port"]
    ids = [f"02:00:00:00:00:{number:02x}" for number in range(8)]
    with ExitStack() as devices:
        for each in ids:
            devices.enter_context(device(up["port"], each))
        for _ in range(4):  # whoever accepts is asked
            page = ask(port, "/api/sessions")
            assert sorted(each["device_id"] for each in page["sessions"]) == ids
        assert ask(port, "/readyz")["ready"] is True
        workers = ask(port, "/api/workers")["workers"]
        assert [each["worker"] for each in workers] == [1, 2]
        assert sum(each["sessions"] for each in workers) == 8
        status, metrics = get(port, "/metrics")
        assert (status, metrics.count(b"\nkeepline_sessions{")) == (200, 2)
        assert ask(port, "/workers/2/api/sessions")["total"] == workers[1]["sessions"]
        for each in ids:
            assert ask(port, f"/api/devices/{each}")["session"]["device_id"] == each
            assert ask(port, f"/api/devices/{each}/kick", {})["device_id"] == each
        assert ask(port, "/api/drain", {"dry_run": True})["plan"]["fits"] is True
    ask(port, "/api/drain", {})
    assert ends(machine.process)[0] == 0


def test_a_worker_that_is_killed_is_started_again_and_the_other_serves_on(
    machine: Machine,
) -> None:
    up = machine.is_up()
    os.kill(machine.pids[1], signal.SIGKILL)
    ended = machine.until("worker_ended")
    assert (ended["worker"], ended["how"]) == (1, "signal SIGKILL")
    with device(up["port"]):
        ready = machine.until("worker_ready")
    assert ready["worker"] == 1
    machine.pids[1] = int(str(ready["pid"]))
    told, until = None, time.monotonic() + GIVE_UP_AFTER_S
    while told is None and time.monotonic() < until:  # it is judged once it serves
        opened = ask(up["admin_port"], "/api/alerts")["open"]
        told = next((each for each in opened if each["about"] == "worker_ended"), None)
        time.sleep(0.05)
    assert told is not None
    assert (told["worker"], told["number"] % 100) == (1, 1)
    assert told["detail"] == "worker 1 ended by signal SIGKILL, and was started again"
    machine.process.terminate()
    assert ends(machine.process)[0] == 0


def test_when_who_looks_after_them_is_killed_the_workers_leave_too(machine: Machine) -> None:
    port = machine.is_up()["port"]
    machine.process.kill()
    for _ in range(2):
        machine.until("stopped")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(str(port))))


def test_a_handler_that_is_not_there_ends_all_with_2(tmp_path: Path) -> None:
    command = [*KEEPLINE, "serve", "nowhere:Assistant", "--workers", "2", *PORTS]
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=GIVE_UP_AFTER_S
    )
    assert ended.returncode == 2
    assert "nowhere" in ended.stderr


def upgrade(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*KEEPLINE, "upgrade", "--data", str(machine.data), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=2 * GIVE_UP_AFTER_S,
    )


def test_an_upgrade_has_other_workers_in_place_of_all_and_refuses_nobody(
    machine: Machine,
) -> None:
    port = machine.is_up()["port"]
    with device(port) as before:
        upgraded = upgrade(machine)
        assert upgraded.returncode == 0, upgraded.stderr
        assert "has taken over" in upgraded.stderr
        with pytest.raises(ConnectionClosed):
            before.recv(GIVE_UP_AFTER_S)
        with device(port):
            pass
    for _ in range(2):
        ready = machine.until("worker_ready")
        machine.pids[ready["worker"]] = int(str(ready["pid"]))
    machine.process.terminate()
    status, _, log = ends(machine.process)
    assert status == 0
    assert sorted(
        line["worker"]
        for line in map(json.loads, log.splitlines())
        if line["event"] == "worker_left"
    )[-2:] == [3, 4]
    assert not (machine.data / "upgrade.sock").exists()


def test_an_upgrade_to_what_does_not_start_changes_nothing(machine: Machine) -> None:
    port = machine.is_up()["port"]
    with device(port) as staying:
        refused = upgrade(machine, "--exec", "/bin/false")
        assert refused.returncode == 2
        assert "ended with status 1" in refused.stderr
        staying.ping().wait(GIVE_UP_AFTER_S)
    machine.process.terminate()
    assert ends(machine.process)[0] == 0


BLOCKS = """
import time
from keepline import Handler

class Blocks(Handler):
    def text(self, session, message):
        time.sleep(3600)
"""


def lives(pid: int) -> bool:
    try:
        said = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return said.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("event", ["broker_ready", "worker_ready"])
def test_told_to_stop_while_it_starts_it_leaves_nothing(machine: Machine, event: str) -> None:
    machine.until(event)
    machine.process.terminate()
    assert ends(machine.process)[0] == 0
    assert list(machine.run.iterdir()) == []
    assert not (machine.data / "upgrade.sock").exists()


def test_a_second_signal_hurries_all_workers(tmp_path: Path) -> None:
    patient = ("--set", "drain.unready_s=600")
    with machine_of(tmp_path, *patient) as machine, device(machine.is_up()["port"]):
        machine.process.terminate()
        for _ in range(3):  # who looks after them, and both
            machine.until("stopping")
        machine.process.terminate()
        for _ in range(2):
            machine.until("hurrying")
        assert ends(machine.process)[0] == 0


def test_a_third_signal_ends_also_a_worker_whose_loop_is_blocked(tmp_path: Path) -> None:
    (tmp_path / "blocks.py").write_text(BLOCKS)
    with machine_of(tmp_path, handler="blocks:Blocks") as machine:
        with device(machine.is_up()["port"]) as connection:
            connection.send('{"type":"custom","payload":1}')
            machine.process.terminate()
            machine.until("worker_left")  # the other one
            until = time.monotonic() + GIVE_UP_AFTER_S
            while machine.process.poll() is None and time.monotonic() < until:
                machine.process.terminate()
                time.sleep(0.2)  # two that come at once are one
            assert ends(machine.process)[0] == 128 + signal.SIGTERM
        until = time.monotonic() + GIVE_UP_AFTER_S
        while any(lives(pid) for pid in machine.pids.values()):  # who is killed ends a moment later
            assert time.monotonic() < until
            time.sleep(0.05)
        assert list(machine.run.iterdir()) == []


def test_a_hangup_has_every_worker_look_for_its_certificate(machine: Machine) -> None:
    machine.is_up()
    machine.process.send_signal(signal.SIGHUP)
    workers = {machine.until("hangup_ignored")["worker"] for _ in range(2)}
    assert workers == {1, 2}


def test_several_workers_are_not_reloaded(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*KEEPLINE, "serve", "--reload", "--workers", "2"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=GIVE_UP_AFTER_S,
    )
    assert ended.returncode == 2
    assert "leave out --reload, or --workers" in ended.stderr
