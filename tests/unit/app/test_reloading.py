"""Sockets that a process is given by the one that started it, and the end of both."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from keepline.app.reloading import SOCKETS, Reloader, given_sockets


def test_a_process_that_was_given_none_has_none() -> None:
    assert given_sockets({}) == []


def test_given_sockets_are_its_own_and_are_not_passed_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        environment = {SOCKETS: str(os.dup(held.fileno())), "PATH": "/bin"}
        [sock] = given_sockets(environment)
        with sock:
            assert sock.getsockname() == held.getsockname()
            assert not sock.get_inheritable()
        assert environment == {"PATH": "/bin"}


IMPATIENT = "import os, signal; os.kill(os.getppid(), signal.SIGTERM); signal.pause()"


def test_who_is_told_to_stop_before_its_process_could_listen_ends_well(tmp_path: Path) -> None:
    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in heard]
    try:
        reloader = Reloader([sys.executable, "-c", IMPATIENT], [], tmp_path, lambda _: None)
        assert reloader.run() == 0
    finally:
        for number, handler in zip(heard, before, strict=True):
            signal.signal(number, handler)
