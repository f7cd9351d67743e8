"""Behind proxies: whose header is believed, and which address counts."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keepline.gateway.connection import Connection
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from tests.conftest import RunningGateway
from tests.gateway.peers import HELLO, Peer, ping, request, tcp, text
from tests.gateway.tls_peers import Authority, TlsPeer
from tests.unit.wire.test_proxy_header import LOCAL, ipv4, ipv6, tlv, v2
from tests.waiting import eventually

Start = Callable[..., Any]
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n"
BEHIND = {"header": "proxy", "trusted": "127.0.0.1"}
FORWARDED = {"header": "forwarded", "trusted": "127.0.0.0/8"}
ELSEWHERE = {"header": "proxy", "trusted": "192.0.2.1"}


@asynccontextmanager
async def came(port: int, before: bytes, **headers: str) -> AsyncIterator[Peer]:
    """A device with a session, whose proxy sent `before` first."""
    async with tcp(port) as peer:
        await peer.send(before + request(**headers))
        status, _ = await peer.answer()
        assert status == 101
        await peer.send(text(HELLO))
        await peer.frame()
        yield peer


def connection(gateway: RunningGateway) -> Connection:
    (session,) = gateway.node.registry
    return session.connection


def user_timeout_ms(gateway: RunningGateway) -> int:
    sock = connection(gateway).transport.get_extra_info("socket")
    with socket.socket(fileno=socket.dup(sock.fileno())) as own:
        return own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (LINE, "192.0.2.7"),
        (ipv4("192.0.2.8"), "192.0.2.8"),
        (ipv6("2001:db8::7"), "2001:db8::7"),
        (v2(command=LOCAL), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ],
)
async def test_the_address_is_the_one_the_proxy_tells(
    start_gateway: Start, header: bytes, address: str
) -> None:
    gateway = await start_gateway(proxy=BEHIND)
    async with came(gateway.port, header):
        assert connection(gateway).address == address
        assert len(gateway.node.arrivals.addresses) == 1
    await eventually(lambda: not gateway.node.arrivals.addresses)


async def test_behind_a_proxy_the_kernel_judges_nobody(start_gateway: Start) -> None:
    gateway = await start_gateway(proxy=BEHIND)
    async with came(gateway.port, LINE):
        assert user_timeout_ms(gateway) == 0


async def test_who_comes_directly_is_judged_by_the_kernel_and_sends_no_header(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(proxy=ELSEWHERE)
    async with came(gateway.port, b""):
        assert user_timeout_ms(gateway) == 30_000
        assert connection(gateway).address == "127.0.0.1"


async def test_a_header_of_somebody_who_is_not_trusted_is_no_http(start_gateway: Start) -> None:
    gateway = await start_gateway(proxy=ELSEWHERE)
    async with tcp(gateway.port) as peer:
        await peer.send(LINE + request())
        assert (await peer.answer())[0] == 400


@pytest.mark.parametrize("sent", [request(), b"\x16\x03\x01", LINE.replace(b"7 1", b"7  1")])
async def test_a_trusted_proxy_has_to_send_a_header(start_gateway: Start, sent: bytes) -> None:
    gateway = await start_gateway(proxy=BEHIND)
    async with tcp(gateway.port) as peer:
        await peer.send(sent)
        await peer.end(within_s=1.0)
    await eventually(lambda: not gateway.node.arrivals.admissions)
    assert gateway.counters.disconnects[CloseReason.PROXY_HEADER_INVALID] == 1
    (line,) = gateway.logged("device_dropped")
    assert line["address"] == "127.0.0.1"


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4", v2(bytes(1_000))[:40]])
async def test_a_header_that_never_ends_ends_at_the_deadline(
    start_gateway: Start, sent: bytes
) -> None:
    gateway = await start_gateway(proxy=BEHIND, profiles={"xiaozhi": {"hello_timeout_s": 0.3}})
    async with tcp(gateway.port) as peer:
        await peer.send(sent)
        await peer.end(within_s=2.0)
    await eventually(lambda: not gateway.node.arrivals.admissions)
    assert gateway.counters.disconnects[CloseReason.PROXY_HEADER_INVALID] == 1


async def test_a_proxy_that_only_looks_whether_we_are_there_is_nobodys_failure(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(proxy=BEHIND)
    async with tcp(gateway.port) as probe:
        probe.fin()
        await probe.end()
    await eventually(lambda: not gateway.node.arrivals.admissions)
    ended = {reason for reason, count in gateway.counters.disconnects.items() if count}
    assert ended == {CloseReason.DEVICE_CLOSED}


async def test_a_header_in_single_bytes_before_tls_leaves_tls_its_own(
    start_gateway: Start, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    gateway = await start_gateway(proxy=BEHIND, tls=authority.pair())
    peer = await TlsPeer.dial(gateway.port)
    assert isinstance(peer, TlsPeer)
    with contextlib.closing(peer):
        header = ipv4(tlvs=tlv(0x04, b"padding"))
        for byte in header:
            await Peer.send(peer, bytes((byte,)))
        await peer.start_tls(authority.client())
        await peer.open_session()
        assert connection(gateway).address == "192.0.2.7"
        await peer.send(ping(b"1"))
        assert await peer.frame() == (Opcode.PONG, b"1")


async def test_header_and_tls_in_one_packet_are_told_apart(
    start_gateway: Start, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    gateway = await start_gateway(proxy=BEHIND, tls=authority.pair())
    peer = await TlsPeer.dial(gateway.port)
    assert isinstance(peer, TlsPeer)
    with contextlib.closing(peer):
        await peer.start_tls(authority.client(), before=LINE)
        await peer.open_session()
        assert connection(gateway).address == "192.0.2.7"


# -- limits --------------------------------------------------------------------------------


async def refused(gateway: RunningGateway, header: bytes, **headers: str) -> tuple[int, str]:
    async with tcp(gateway.port) as peer:
        await peer.send(header + request(**headers))
        return await peer.answer()


async def test_the_limit_of_an_address_is_judged_by_the_real_one(start_gateway: Start) -> None:
    gateway = await start_gateway(proxy=BEHIND, server={"connections_per_address": 2})
    async with (
        came(gateway.port, LINE, Device_Id="device-1"),
        came(gateway.port, LINE, Device_Id="device-2"),
    ):
        status, head = await refused(gateway, LINE, Device_Id="device-3")
        assert status == 429
        assert "Retry-After: 10" in head
        async with came(gateway.port, ipv4("192.0.2.8"), Device_Id="device-4"):
            pass
    assert gateway.counters.disconnects[CloseReason.ADDRESS_FULL] == 1
    await eventually(lambda: not gateway.node.arrivals.addresses)
    async with came(gateway.port, LINE, Device_Id="device-3"):
        pass


async def test_who_connects_too_often_is_told_when_to_come_back(start_gateway: Start) -> None:
    gateway = await start_gateway(proxy=BEHIND, server={"accepts_per_address_per_s": 1})
    answers = [await refused(gateway, LINE, Authorization="wrong") for _ in range(7)]
    assert [status for status, _ in answers] == [401] * 5 + [429] * 2
    assert "Retry-After: 1" in answers[-1][1]
    assert gateway.counters.disconnects[CloseReason.RATE_LIMITED] == 2
    assert (await refused(gateway, ipv4("192.0.2.8"), Authorization="wrong"))[0] == 401


async def test_behind_tls_one_too_many_is_dropped_without_a_handshake(
    start_gateway: Start, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    gateway = await start_gateway(
        proxy=BEHIND, tls=authority.pair(), server={"connections_per_address": 1}
    )
    peer = await TlsPeer.dial(gateway.port)
    assert isinstance(peer, TlsPeer)
    with contextlib.closing(peer):
        await peer.start_tls(authority.client(), before=LINE)
        async with tcp(gateway.port) as second:
            await second.send(LINE)
            await second.end(within_s=1.0)
        assert gateway.counters.disconnects[CloseReason.ADDRESS_FULL] == 1
    await eventually(lambda: not gateway.node.arrivals.addresses)


# -- X-Forwarded-For -----------------------------------------------------------------------


async def test_a_forwarded_address_counts_when_its_proxy_is_trusted(start_gateway: Start) -> None:
    gateway = await start_gateway(proxy=FORWARDED)
    said = "198.51.100.9, 192.0.2.7, 127.0.0.9"
    async with came(gateway.port, b"", X_Forwarded_For=said):
        assert connection(gateway).address == "192.0.2.7"
        assert user_timeout_ms(gateway) == 0
    await eventually(lambda: not gateway.node.arrivals.addresses)


async def test_a_forwarded_address_of_anybody_else_is_not_looked_at(start_gateway: Start) -> None:
    gateway = await start_gateway(proxy=FORWARDED | {"trusted": "192.0.2.1"})
    async with came(gateway.port, b"", X_Forwarded_For="192.0.2.7"):
        assert connection(gateway).address == "127.0.0.1"


async def test_a_trusted_proxy_that_forwards_nonsense_is_answered_400(start_gateway: Start) -> None:
    gateway = await start_gateway(proxy=FORWARDED)
    assert (await refused(gateway, b"", X_Forwarded_For="192.0.2.7, nonsense"))[0] == 400
    assert not gateway.node.arrivals.addresses


async def test_the_limit_of_an_address_is_judged_by_the_forwarded_one(start_gateway: Start) -> None:
    gateway = await start_gateway(proxy=FORWARDED, server={"connections_per_address": 1})
    async with came(gateway.port, b"", Device_Id="device-1", X_Forwarded_For="192.0.2.7"):
        status, _ = await refused(gateway, b"", Device_Id="device-2", X_Forwarded_For="192.0.2.7")
        assert status == 429
        async with came(gateway.port, b"", Device_Id="device-3", X_Forwarded_For="192.0.2.8"):
            pass
    await eventually(lambda: not gateway.node.arrivals.addresses)


async def test_a_proxy_that_nobody_is_told_to_believe_is_noticed_once(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway()
    async with came(gateway.port, b""):
        assert not gateway.logged("proxy_not_believed")
    for _ in range(2):
        async with came(gateway.port, b"", x_forwarded_for="192.0.2.7"):
            assert connection(gateway).address == "127.0.0.1"
    [line] = gateway.logged("proxy_not_believed")
    assert "proxy.trusted" in line["hint"]


async def test_an_address_beyond_its_limit_takes_nobody_elses_room(start_gateway: Start) -> None:
    gateway = await start_gateway(
        server={"connections_per_address": 2, "max_admissions": 4}, proxy=BEHIND
    )
    arrivals = gateway.node.arrivals
    async with contextlib.AsyncExitStack() as crowd:
        for _ in range(8):
            peer = await crowd.enter_async_context(tcp(gateway.port))
            await peer.send(LINE)
        await eventually(lambda: len(arrivals.turned_away) == 6)
        assert len(arrivals.admissions) == 2
        async with came(gateway.port, ipv4("192.0.2.8")):
            assert len(gateway.node.registry) == 1
    await eventually(lambda: not arrivals.turned_away)
