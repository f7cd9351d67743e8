"""Sockets that a process is given by the one that started it."""

from __future__ import annotations

import os
import socket

from keepline.app.reloading import SOCKETS, given_sockets


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
