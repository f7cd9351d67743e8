"""The way between a gateway and a device in the same memory."""

from __future__ import annotations

import asyncio

import pytest

from keepline.testing.transport import MemoryTransport
from tests.unit.gateway.fakes import settle


class End(asyncio.Protocol):
    """Either end; remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")

    def receive(self, data: bytes) -> None:
        self.told.append(data)

    def receive_eof(self) -> None:
        self.told.append("eof")

    def lose(self) -> None:
        self.told.append("lost")


def between() -> tuple[MemoryTransport, End, End]:
    gateway, device = End(), End()
    transport = MemoryTransport(asyncio.get_running_loop(), device)
    transport.set_protocol(gateway)
    return transport, gateway, device


async def test_what_is_sent_arrives_in_order_in_a_later_turn() -> None:
    transport, gateway, _ = between()
    transport.deliver(b"one")
    transport.deliver(b"two")
    assert gateway.told == []
    await settle()
    assert gateway.told == [b"one", b"two"]


async def test_who_does_not_read_hears_it_when_he_does_and_notices_no_end_before() -> None:
    transport, gateway, _ = between()
    transport.pause_reading()
    transport.deliver(b"one")
    transport.deliver_eof()
    await settle()
    assert gateway.told == []
    assert not transport.is_reading()
    transport.resume_reading()
    await settle()
    assert gateway.told == [b"one", "lost"]


async def test_after_the_end_nothing_arrives_and_it_comes_once() -> None:
    transport, gateway, device = between()
    transport.close()
    transport.abort()
    transport.deliver(b"late")
    transport.write(b"late")
    await settle()
    assert (gateway.told, device.told) == (["lost"], ["lost"])


async def test_the_end_of_one_side_is_no_end_of_the_other() -> None:
    transport, gateway, device = between()
    transport.write(b"last")
    transport.write_eof()
    with pytest.raises(RuntimeError):
        transport.write(b"more")
    transport.deliver(b"still here")
    await settle()
    assert device.told == [b"last", "eof"]
    assert gateway.told == [b"still here"]
