from __future__ import annotations

import socket

import pytest

from keepline.errors import StartError
from keepline.gateway.sockets import abort, is_loopback, open_listener, reason_of_loss
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import FakeTransport


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_what_only_this_machine_can_reach(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com", ""])
def test_what_others_can_reach(host: str) -> None:
    assert not is_loopback(host)


def test_a_listener_lets_accepted_sockets_inherit_what_they_need() -> None:
    with (
        open_listener("127.0.0.1", 0, backlog=16, kernel_timeout_s=12.5) as listener,
        socket.create_connection(listener.getsockname()),
        accepted(listener) as peer,
    ):
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 12_500


def accepted(listener: socket.socket) -> socket.socket:
    listener.setblocking(True)
    listener.settimeout(5)
    return listener.accept()[0]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_behind_a_proxy_the_kernel_judges_nobody() -> None:
    with open_listener("127.0.0.1", 0, backlog=16, kernel_timeout_s=None) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_a_taken_port_says_what_to_do() -> None:
    with open_listener("127.0.0.1", 0, backlog=1, kernel_timeout_s=None) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StartError) as failed:
            open_listener("127.0.0.1", port, backlog=1, kernel_timeout_s=None)
    assert str(port) in failed.value.problem
    assert "--port" in failed.value.hint


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_an_address_that_is_not_ours_says_what_to_do(host: str) -> None:
    with pytest.raises(StartError) as failed:
        open_listener(host, 0, backlog=1, kernel_timeout_s=None)
    assert host in failed.value.problem
    assert "address of this machine" in failed.value.hint


def test_a_clean_end_is_the_devices() -> None:
    assert reason_of_loss(None) is CloseReason.DEVICE_CLOSED


def test_dropping_a_dead_peer_throws_away_what_the_kernel_still_holds() -> None:
    transport = FakeTransport()
    abort(transport, discard=True)
    assert transport.aborted
    assert transport.socket.options


def test_dropping_a_living_peer_lets_the_kernel_send_the_rest() -> None:
    transport = FakeTransport()
    abort(transport, discard=False)
    assert transport.aborted
    assert not transport.socket.options


def test_dropping_what_has_gone_already_is_harmless() -> None:
    transport = FakeTransport()
    transport.close()
    abort(transport, discard=True)
    assert not transport.socket.options
