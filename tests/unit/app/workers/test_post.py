from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepline.app.workers import post as post_module
from keepline.app.workers.board import Board
from keepline.app.workers.post import (
    BOARD_FILE,
    VARIABLE,
    Post,
    admin_path,
    post_of,
    slots_in,
    told,
)


@pytest.fixture
def lifeline() -> Iterator[int]:
    watched, held = os.pipe()
    yield watched
    os.close(held)
    os.close(watched)


@pytest.fixture(autouse=True)
def hung_on(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have nobody end this process; return on what it would hang."""
    found: list[int] = []
    monkeypatch.setattr(post_module, "hang_on", found.append)
    return found


def test_a_process_without_a_post_is_no_worker() -> None:
    assert post_of({}) is None


def test_a_worker_finds_its_sockets_and_forgets_that_it_was_told(
    tmp_path: Path, lifeline: int, hung_on: list[int]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as devices, socket.socket() as admin:
        given = Post(
            slot=2,
            many=2,
            slots=4,
            directory=tmp_path,
            devices=(devices,),
            admin=admin,
            ended="signal SIGKILL",
        )
        text, descriptors = told(given, lifeline)
        assert descriptors == [devices.fileno(), admin.fileno(), lifeline]
        for each in descriptors:
            os.set_inheritable(each, True)  # as `pass_fds` has it
        environment = {VARIABLE: text, "PATH": "/bin"}
        found = post_of(environment)
        assert found is not None
        assert environment == {"PATH": "/bin"}
        assert (found.slot, found.many, found.slots) == (2, 2, 4)
        assert (found.directory, found.ended) == (tmp_path, "signal SIGKILL")
        assert found.devices[0].getsockname() == devices.getsockname()
        assert found.admin is not None
        assert not any(os.get_inheritable(each.fileno()) for each in (*found.devices, found.admin))
        assert hung_on == [lifeline]
        for sock in (*found.devices, found.admin):
            sock.detach()


def test_a_worker_shares_who_comes_by_the_board(tmp_path: Path) -> None:
    board = Board(tmp_path / BOARD_FILE, 4)
    post = Post(slot=2, many=2, slots=4, directory=tmp_path, devices=(), admin=None)
    share = post.share()
    board.put(1, 3, takes=True)
    assert share.least() == 3
    share.tell(1, takes=True)
    assert (board.count(2), board.least()) == (1, 1)
    share.close()
    board.close()


def test_who_answers_the_others_is_seen_in_the_directory(tmp_path: Path) -> None:
    for slot in (10, 2):
        admin_path(tmp_path, slot).touch()
    (tmp_path / "board").touch()
    assert slots_in(tmp_path) == [2, 10]
