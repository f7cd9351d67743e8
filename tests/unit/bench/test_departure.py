"""What devices make of a server that leaves, on socket pairs."""

from __future__ import annotations

import socket
import time

import pytest

from bench.load.departure import Departed, Departure
from bench.load.swarm import Device
from keepline.wire.frames import close_frame, ping_frame, text_frame


def departure(count: int) -> tuple[list[socket.socket], Departure]:
    pairs = [socket.socketpair() for _ in range(count)]
    devices = [Device(mine, number) for number, (mine, _) in enumerate(pairs)]
    return [theirs for _, theirs in pairs], Departure(devices)


def test_a_device_that_is_told_when_to_return_is_counted_and_answers_the_close() -> None:
    [server], leaving = departure(1)
    began_at = time.monotonic()
    hint = text_frame('{"type":"reconnect","after_ms":4000}')
    server.sendall(ping_frame(b"") + hint + close_frame(1012, ""))
    departed = leaving.see_off(5)
    assert (departed.told, departed.closed, departed.gone) == (1, 1, 1)
    assert departed.back_at[0] == pytest.approx(began_at + 4, abs=2)
    heard = server.recv(100)
    assert (heard[0], heard[6]) == (0x8A, 0x88)
    assert server.recv(1) == b""
    server.close()


def test_firmware_keeps_its_socket_until_the_server_drops_it() -> None:
    [other, firmware], leaving = departure(2)
    other.close()
    frame = close_frame(1001, "bye")
    firmware.sendall(frame[:3])
    with pytest.raises(TimeoutError):
        leaving.see_off(0.05)
    firmware.sendall(frame[3:])
    with pytest.raises(TimeoutError):
        leaving.see_off(0.05)
    assert leaving.departed.closed == 1
    firmware.close()
    assert leaving.see_off(5).gone == 2


def test_the_busiest_second_may_begin_anywhere() -> None:
    assert Departed(back_at=[0.0, 0.9, 1.2, 1.8, 3.0]).peak == 3
    assert Departed().peak == 0
