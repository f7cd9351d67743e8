from __future__ import annotations

from keepline.gateway.gone import GONE
from tests.unit.gateway.fakes import World


async def test_who_is_gone_lets_go_of_its_transport_at_once() -> None:
    life = World().connect()
    assert not life.connection.transport.is_closing()
    life.loses_tcp()
    assert life.connection.transport is GONE


def test_nothing_comes_of_what_it_is_asked_for() -> None:
    GONE.write(b"late")
    GONE.write_eof()
    GONE.pause_reading()
    GONE.resume_reading()
    GONE.close()
    GONE.abort()
    assert GONE.is_closing()
    assert GONE.can_write_eof()
    assert GONE.get_write_buffer_size() == 0
