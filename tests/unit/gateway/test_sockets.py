from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest

from keepline.errors import StartError
from keepline.gateway.sockets import (
    abort,
    adopt,
    allow_descriptors,
    bracketed,
    end_output,
    is_loopback,
    only_this_machine,
    open_listener,
    open_listeners,
)
from keepline.settings import Settings
from tests.unit.gateway.fakes import FakeTransport


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


with_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "::1, 127.0.0.1"])
def test_what_only_this_machine_can_reach(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com", ""])
def test_what_others_can_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("host", "header", "private"),
    [
        ("127.0.0.1", "none", True),
        ("127.0.0.1, ::1", "none", True),
        ("127.0.0.1", "proxy", False),
        ("127.0.0.1", "forwarded", False),
        ("0.0.0.0", "none", False),
        ("127.0.0.1, 0.0.0.0", "none", False),
    ],
)
def test_behind_a_proxy_a_loopback_port_is_everybodys(
    host: str, header: str, *, private: bool
) -> None:
    proxy = {"header": header, "trusted": "127.0.0.1"}
    settings = Settings.model_validate({"server": {"host": host}, "proxy": proxy})
    assert only_this_machine(settings) is private


@pytest.fixture
def hard_limit() -> Iterator[int]:
    """How many open files may be allowed; 200 are."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_as_many_open_files_are_allowed_as_connections_need(hard_limit: int) -> None:
    assert allow_descriptors(300) == 300
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, hard_limit)
    assert allow_descriptors(250) == 250  # never fewer than before
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, hard_limit)


def test_no_more_open_files_are_allowed_than_the_system_grants(
    hard_limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (200, min(hard_limit, 400)))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert allow_descriptors(5_000) == 400


def test_a_system_that_refuses_leaves_the_limit_as_it_was(
    hard_limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed")

    assert hard_limit > 300
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert allow_descriptors(300) == 200


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


def reached(port: int, host: str, family: int) -> bool:
    with socket.socket(family) as sock:
        sock.settimeout(5)
        return sock.connect_ex((host, port)) == 0


@with_ipv6
def test_several_hosts_share_one_port_that_the_system_chose() -> None:
    listeners = open_listeners("127.0.0.1, ::1", 0, 16, None)
    try:
        (port,) = {listener.getsockname()[1] for listener in listeners}
        assert reached(port, "127.0.0.1", socket.AF_INET)
        assert reached(port, "::1", socket.AF_INET6)
    finally:
        for listener in listeners:
            listener.close()


@with_ipv6
def test_the_ipv6_wildcard_is_both_families_unless_ipv4_is_listed_too() -> None:
    (both,) = open_listeners("::", 0, 16, None)
    with both:
        assert reached(both.getsockname()[1], "127.0.0.1", socket.AF_INET)
        assert reached(both.getsockname()[1], "::1", socket.AF_INET6)
    listeners = open_listeners("::, 0.0.0.0", 0, 16, None)
    assert len(listeners) == 2
    for listener in listeners:
        listener.close()


def test_a_name_listens_on_its_addresses_that_this_machine_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def known(*_: object, **__: object) -> list[tuple[object, ...]]:
        names = [("203.0.113.7", 0), ("127.0.0.1", 0)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", name) for name in names]

    monkeypatch.setattr(socket, "getaddrinfo", known)
    (listener,) = open_listeners("gateway.test", 0, 16, None)
    with listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@with_ipv6
def test_one_host_that_cannot_be_had_leaves_none_open() -> None:
    with open_listener("127.0.0.1", 0, 1, None) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as failed:
            open_listeners("::1, 127.0.0.1", port, 16, None)
        assert f"127.0.0.1:{port}" in failed.value.problem
        with open_listener("::1", port, 1, None):
            pass


@with_ipv6
@pytest.mark.parametrize("host", ["::1", "203.0.113.7"])
def test_an_address_is_told_as_in_a_url(host: str) -> None:
    with open_listener("::1", 0, 1, None) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as failed:
            open_listener(host, port, 1, None)
    assert f"{bracketed(host)}:{port}" in failed.value.problem


class Encrypted(FakeTransport):
    """A transport whose side cannot be ended alone."""

    def can_write_eof(self) -> bool:
        return False


def test_our_side_ends_alone_or_with_the_goodbye_of_tls() -> None:
    plain, encrypted, gone = FakeTransport(), Encrypted(), FakeTransport()
    gone.closed = True
    for transport in (plain, encrypted, gone):
        end_output(transport)
    assert plain.ended
    assert not plain.closed
    assert encrypted.closed
    assert not encrypted.ended
    assert not gone.ended


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


def test_a_socket_that_somebody_else_opened_is_as_our_own_are() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        adopt(sock, 7.5)
        assert not sock.getblocking()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7_500
