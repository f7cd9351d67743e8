"""What processes of one gateway say to each other."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from keepline.app import line
from keepline.app.line import Line, Message
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="packets with descriptors: Linux")

PATIENCE_S = 5.0


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def opened(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY)


def test_a_directory_is_found_however_long_its_name_is(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    held = opened(directory)
    with line.listen(held) as listening, line.connect(directory, PATIENCE_S) as asking:
        answering, _ = listening.accept()
        with answering:
            line.send(asking, {"ask": "x"})
            assert line.receive(answering) == ({"ask": "x"}, [])
            assert line.is_ours(answering)
            assert line.peer(answering) == (os.getpid(), os.geteuid())
    os.close(held)


def test_only_its_owner_may_speak_to_it_from_the_first_moment_on(tmp_path: Path) -> None:
    held = opened(tmp_path)
    before = os.umask(0)
    try:
        with line.listen(held):
            assert stat.S_IMODE((tmp_path / line.FILE_NAME).stat().st_mode) == line.OWNER_ONLY
    finally:
        os.umask(before)
        os.close(held)


def test_what_an_ended_process_left_is_in_nobodys_way(tmp_path: Path) -> None:
    held = opened(tmp_path)
    line.listen(held).close()
    with pytest.raises(ConnectionRefusedError):
        line.connect(tmp_path, PATIENCE_S)
    with line.listen(held):
        line.connect(tmp_path, PATIENCE_S).close()
    line.forget(held)
    line.forget(held)
    assert not (tmp_path / line.FILE_NAME).exists()
    os.close(held)


def test_what_is_open_goes_over_and_is_not_passed_on() -> None:
    ours, theirs = pair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listening:
        line.send(ours, {"devices": 1}, [listening.fileno()])
        message, [descriptor] = line.receive(theirs)
        assert message == {"devices": 1}
        assert not os.get_inheritable(descriptor)
        with socket.socket(fileno=descriptor) as same:
            assert same.getsockname() == listening.getsockname()


@pytest.mark.parametrize("sent", [b"no JSON", b"[]", b"{" + b" " * line.MESSAGE_BYTES + b"}"])
def test_what_is_no_message_is_refused(sent: bytes) -> None:
    ours, theirs = pair()
    with ours, theirs:
        ours.send(sent)
        with pytest.raises(ValueError):
            line.receive(theirs)


class Heard:
    """One end on the loop, and what came of it."""

    def __init__(self, sock: socket.socket) -> None:
        self.messages: list[Message] = []
        self.ends = 0
        self.line = Line(sock, asyncio.get_running_loop(), self._on_message, self._on_end)

    def _on_message(self, _line: Line, message: Message) -> None:
        self.messages.append(message)

    def _on_end(self, _line: Line) -> None:
        self.ends += 1


async def test_messages_come_whole_and_in_order() -> None:
    ours, theirs = pair()
    heard, speaks = Heard(ours), Heard(theirs)
    for number in range(50):
        assert speaks.line.say({"number": number})
    await eventually(lambda: len(heard.messages) == 50)
    assert [each["number"] for each in heard.messages] == list(range(50))
    speaks.line.close()
    await eventually(lambda: heard.ends)
    assert (heard.ends, speaks.ends, heard.line.say({})) == (1, 0, False)


async def test_who_says_what_is_no_message_is_heard_no_more() -> None:
    ours, theirs = pair()
    heard = Heard(ours)
    with theirs:
        theirs.send(b"[]")
        await eventually(lambda: heard.ends)
        assert not heard.line.is_open


async def test_descriptors_that_nobody_asked_for_are_closed() -> None:
    ours, theirs = pair()
    heard = Heard(ours)
    with theirs:
        reading, writing = os.pipe()
        line.send(theirs, {}, [writing])
        os.close(writing)
        await eventually(lambda: heard.messages)
        assert os.read(reading, 1) == b""  # nobody can write it any more
        os.close(reading)
    heard.line.close()


async def test_what_is_said_to_one_who_is_busy_waits_and_comes_in_order() -> None:
    ours, theirs = pair()
    speaks = Heard(ours)
    for number in range(1_000):
        assert speaks.line.say({"number": number})
    heard = Heard(theirs)
    await eventually(lambda: len(heard.messages) == 1_000)
    assert [each["number"] for each in heard.messages] == list(range(1_000))
    assert speaks.line.say({"number": "last"})
    await eventually(lambda: heard.messages[-1] == {"number": "last"})
    assert speaks.ends == 0
    speaks.line.close()
    heard.line.close()


async def test_who_does_not_listen_ends_the_line_and_nothing_piles_up() -> None:
    ours, theirs = pair()
    speaks = Heard(ours)
    with theirs:
        said = sum(iter(lambda: speaks.line.say({"x": "y" * 1_000}), False))
        assert 0 < said < 10_000
        assert speaks.ends == 1
