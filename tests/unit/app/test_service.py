"""What systemd is told, and what it gives."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepline.app import service


def test_without_a_service_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(socket, "socket", lambda *kind: made.append(kind))
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    service.tell("READY=1")
    assert not made


@pytest.mark.parametrize("place", ["a file", "a name without a file"])
def test_a_service_manager_is_told_in_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    if place != "a file" and not Path("/proc").exists():
        pytest.skip("names without a file are Linux's")
    name = str(tmp_path / "n") if place == "a file" else f"@keepline-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1))
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        service.tell("MAINPID=7", "READY=1")
        assert manager.recv(100) == b"MAINPID=7\nREADY=1"


def test_a_service_manager_that_has_gone_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = str(tmp_path / "gone")
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    service.tell("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(place)  # it is back, and hears what comes next
        service.tell("STOPPING=1")
        assert manager.recv(100) == b"STOPPING=1"


def given(**changed: str) -> dict[str, str]:
    fresh = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "PATH": "/bin"}
    return {**fresh, "LISTEN_FDNAMES": "devices:admin", **changed}


HIGH = 200


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """Two sockets that listen, and have copies in a row, where systemd would put them."""
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    for number, each in enumerate(listening, start=HIGH):
        os.dup2(each.fileno(), number)
    monkeypatch.setattr(service, "FIRST_DESCRIPTOR", HIGH)
    yield listening
    for each in listening:
        each.close()


def test_sockets_are_told_apart_by_their_names(opened: list[socket.socket]) -> None:
    environment = given()
    [devices], admin = service.given_sockets(environment)
    assert admin is not None
    with devices, admin:
        assert devices.getsockname() == opened[0].getsockname()
        assert admin.getsockname() == opened[1].getsockname()
        assert not devices.getblocking()
        assert not devices.get_inheritable()
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize("changed", [{"LISTEN_PID": "1"}, {"LISTEN_FDS": "0"}])
def test_sockets_of_another_process_are_not_touched(changed: dict[str, str]) -> None:
    environment = given(**changed)
    assert service.given_sockets(environment) == ([], None)
    assert environment == {"PATH": "/bin"}
    assert service.given_sockets({}) == ([], None)
