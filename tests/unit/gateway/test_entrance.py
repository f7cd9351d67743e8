from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from keepline.errors import PeerError
from keepline.gateway.door import Door
from keepline.gateway.entrance import Entrance, receive_proxy_header
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.proxy_header import ProxyHeader
from tests.unit.gateway.fakes import World, settle
from tests.unit.wire.test_proxy_header import ipv4, ipv6

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n"
TLS_HELLO = b"\x16\x03\x01\x02\x00"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The proxy's end of a connection, and ours."""
    proxy, ours = socket.socketpair()
    with proxy, ours:
        yield proxy, ours


def received(ours: socket.socket) -> asyncio.Future[ProxyHeader]:
    loop = asyncio.get_running_loop()
    return asyncio.ensure_future(receive_proxy_header(loop, ours))


@pytest.mark.parametrize("header", [LINE, b"PROXY UNKNOWN\r\n", ipv4(), ipv6("2001:db8::7")])
@pytest.mark.parametrize("size", [1, 2, 5, 13, 1_000])
async def test_not_one_byte_more_than_the_header_is_taken(
    ends: tuple[socket.socket, socket.socket], header: bytes, size: int
) -> None:
    proxy, ours = ends
    task = received(ours)
    stream = header + TLS_HELLO
    for at in range(0, len(stream), size):
        proxy.send(stream[at : at + size])
        await settle()
    assert (await task).size == len(header)
    assert ours.recv(100) == TLS_HELLO


async def test_a_header_that_is_there_already_is_taken_without_waiting(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    proxy, ours = ends
    proxy.send(LINE)
    coroutine = receive_proxy_header(asyncio.get_running_loop(), ours)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value == ProxyHeader(len(LINE), "192.0.2.7")


@pytest.mark.parametrize("sent", [b"", LINE[:20]])
async def test_a_proxy_that_hangs_up_is_noticed(
    ends: tuple[socket.socket, socket.socket], sent: bytes
) -> None:
    proxy, ours = ends
    proxy.send(sent)
    task = received(ours)
    await settle()
    proxy.close()
    with pytest.raises(ConnectionResetError):
        await task


async def test_bytes_that_are_no_header_are_refused_at_once(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    proxy, ours = ends
    task = received(ours)
    proxy.send(b"GET ")
    with pytest.raises(PeerError) as refused:
        await task
    assert refused.value.reason is CloseReason.PROXY_HEADER_INVALID


async def test_while_the_rest_is_awaited_nothing_spins(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    proxy, ours = ends
    asked = 0

    class Counting(socket.socket):
        def recv(self, *arguments: int) -> bytes:
            nonlocal asked
            asked += 1
            return super().recv(*arguments)

    counting = Counting(fileno=ours.detach())
    with counting:
        task = received(counting)
        proxy.send(LINE[:20])
        for _ in range(5):
            await settle()
        assert asked <= 4
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        # Nobody watches the socket any more: another may have its number next.
        asyncio.get_running_loop().add_reader(counting, lambda: None)
        asyncio.get_running_loop().remove_reader(counting)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("2001:db8::7", True),
        ("2001:db9::7", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("", False),
    ],
)
async def test_only_listed_addresses_and_networks_are_trusted(
    address: str, *, trusted: bool
) -> None:
    world = World(
        proxy={"header": "proxy", "trusted": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]}
    )
    assert Entrance(world.node, None).is_trusted(address) is trusted


@pytest.mark.parametrize("turns", range(1, 8))
async def test_an_admission_that_is_given_up_at_any_moment_leaves_no_count_of_its_address(
    ends: tuple[socket.socket, socket.socket], turns: int
) -> None:
    _, ours = ends
    world = World(profiles={"xiaozhi": {"close_timeout_s": 1}})
    node = world.node
    entrance = Entrance(node, None)
    door = Door(node, lambda door: entrance.open(door, ours, "192.0.2.7"))
    node.arrivals.begin(door)
    (admission,) = node.arrivals.admissions
    for _ in range(turns):
        await asyncio.sleep(0)
    admission.cancel()
    await asyncio.wait({admission})
    assert admission.cancelled()
    world.pass_time(1.2)
    await settle()
    assert not node.arrivals.addresses
    assert door.lifecycle.state is State.CLOSED
    assert world.counters.disconnects[CloseReason.DRAINING] == 1
