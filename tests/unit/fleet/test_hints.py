"""A simulated device that a leaving server tells when to come back."""

from __future__ import annotations

from keepline.wire import frames
from keepline.wire.messages import Reconnect
from tests.unit.fleet.by_hand import Server, make_device, talker


def test_a_device_that_is_told_when_to_come_back_does_so() -> None:
    device = make_device(talker("text"))
    server = Server(device)
    server.greets()
    server.says(Reconnect(2_500))
    server.sends(frames.close_frame(1012, "server_restart"))
    assert device.due == server.now + 2.5
    assert device._tally.counts.hints == 1
    server.greets()
    server.sends(frames.close_frame(1001, "server_shutdown"))
    assert device.due != server.now  # a hint is good for once
