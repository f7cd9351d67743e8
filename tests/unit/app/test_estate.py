"""What a process has from the one before it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keepline.app import line
from keepline.app.estate import INHERITS, NOTHING, Estate, check_places, estate_of
from keepline.errors import StartError
from keepline.settings import Settings

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="packets with descriptors: Linux")

Answer = Callable[[socket.socket], None]


@pytest.fixture
def elder(tmp_path: Path) -> Iterator[Callable[[Answer], threading.Thread]]:
    """Answer once, as a process does that is to be replaced."""
    held = os.open(tmp_path, os.O_RDONLY)
    listening = line.listen(held)
    listening.setblocking(True)
    running: list[threading.Thread] = []

    def answer(with_: Answer) -> threading.Thread:
        def run() -> None:
            sock, _ = listening.accept()
            with sock:
                assert line.receive(sock)[0] == {"ask": "inherit", "version": line.VERSION}
                with_(sock)

        thread = threading.Thread(target=run)
        running.append(thread)
        thread.start()
        return thread

    yield answer
    for thread in running:
        thread.join()
    listening.close()
    os.close(held)


def test_a_process_that_is_given_nothing_has_nothing(tmp_path: Path) -> None:
    assert estate_of({}, tmp_path) == NOTHING


def test_an_heir_has_sockets_lock_and_line(
    elder: Callable[[Answer], threading.Thread], tmp_path: Path
) -> None:
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    directory, control = os.open(tmp_path, os.O_RDONLY), socket.socketpair()

    def bequeath(sock: socket.socket) -> None:
        told = {
            "version": 1,
            "devices": 2,
            "admin": True,
            "shared": True,
            "life": "local-1",
            "run": "r",
        }
        numbers = [each.fileno() for each in listening]
        line.send(sock, told, [*numbers, directory, control[0].fileno()])

    elder(bequeath)
    environment = {INHERITS: "1", "PATH": "/bin"}
    estate = estate_of(environment, tmp_path)
    assert environment == {"PATH": "/bin"}
    assert estate.admin is not None
    assert estate.control is not None
    assert estate.line is not None
    assert estate.directory is not None
    names = [each.getsockname() for each in (*estate.devices, estate.admin)]
    assert names == [each.getsockname() for each in listening]
    assert os.path.sameopenfile(estate.directory, directory)
    assert (estate.life, estate.run, estate.is_shared) == ("local-1", "r", True)
    for each in (*estate.devices, estate.admin, estate.control, estate.line, *listening, *control):
        each.close()
    for descriptor in (estate.directory, directory):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"told": "failed", "why": "nobody has asked for it"}, "nobody has asked for it"),
        ({"version": 2, "devices": 0}, "another version"),
        ({"version": 1, "devices": 3}, "another version"),
    ],
)
def test_who_is_given_nothing_does_not_start(
    elder: Callable[[Answer], threading.Thread],
    tmp_path: Path,
    told: dict[str, Any],
    words: str,
) -> None:
    elder(lambda sock: line.send(sock, told))
    with pytest.raises(StartError, match=words):
        estate_of({INHERITS: "1"}, tmp_path)


def test_an_elder_that_hangs_up_is_told(
    elder: Callable[[Answer], threading.Thread], tmp_path: Path
) -> None:
    elder(lambda _: None)
    with pytest.raises(StartError, match="does not answer"):
        estate_of({INHERITS: "1"}, tmp_path)


def test_an_heir_without_an_elder_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="nobody to take over from in"):
        estate_of({INHERITS: "1"}, tmp_path)
    with pytest.raises(StartError, match="no state is kept"):
        estate_of({INHERITS: "1"}, None)


def are_taken(estate: Estate, settings: Settings) -> bool:
    try:
        check_places(estate, settings)
    except StartError:
        return False
    return True


def test_a_socket_that_others_can_reach_is_not_taken_for_this_machines_alone() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listening:
        with pytest.raises(StartError, match=r"server\.host is 127\.0\.0\.1"):
            check_places(Estate(devices=(listening,)), Settings())
        with pytest.raises(StartError, match=r"admin\.host is 127\.0\.0\.1"):
            check_places(Estate(admin=listening), Settings())
        said = Settings.model_validate({"server": {"host": "::"}})
        assert are_taken(Estate(devices=(listening,)), said)


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_a_socket_of_this_machine_alone_is_taken_whatever_the_settings_say(host: str) -> None:
    said = Settings.model_validate({"server": {"host": host}})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        estate = Estate(devices=(listening,), admin=listening)
        assert are_taken(estate, said)
