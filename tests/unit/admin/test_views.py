"""What is told of a device is what is known of it."""

from __future__ import annotations

import pytest

from keepline.admin.views import EndingView, LiveView, RefusalView, SessionView
from keepline.gateway.endings import Refusal
from keepline.wire.frames import Opcode, encode_masked
from tests.unit.gateway.fakes import KEY, World
from tests.unit.gateway.test_endings import SOME, event_of


async def test_a_view_of_a_session_has_every_field_in_its_type() -> None:
    world = World()
    view = SessionView.of(world.connect("one").session, world.node.ticker.now)
    assert SessionView.model_validate(view.model_dump()) == view
    assert set(view.model_dump()) == set(SessionView.model_fields)


def test_a_view_of_an_ending_adds_what_belongs_to_its_cause() -> None:
    view = EndingView.of(event_of(SOME), wall=SOME.at + 180)
    assert view is not None
    assert (view.ago_s, view.code, view.initiator, view.advice) == (180, 1001, "us", "come_back")
    assert (view.claim, view.last_frame_s) == (SOME.claim, SOME.last_frame_s)


def test_a_wall_clock_that_stepped_back_makes_no_ending_of_the_future() -> None:
    early = EndingView.of(event_of(SOME), wall=SOME.at - 5)
    assert early is not None
    assert early.ago_s == 0
    assert RefusalView.of(Refusal(9.0, "full", "one", "", ""), wall=5.0).ago_s == 0


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"cause":"kicked"}', SOME.event().replace(b'"idle"', b'"tired"')]
)
def test_an_ending_that_another_version_wrote_is_left_out(data: bytes) -> None:
    assert EndingView.of(event_of(SOME)._replace(data=data), SOME.at) is None


def test_a_cause_that_is_no_more_is_still_told() -> None:
    former = SOME.event().replace(b"heartbeat_timeout", b"a_former_cause")
    view = EndingView.of(event_of(SOME)._replace(data=former), SOME.at)
    assert view is not None
    assert (view.cause, view.advice, view.code) == ("a_former_cause", None, 1001)


async def test_a_live_view_has_the_transitions_so_far() -> None:
    world = World()
    life = world.connect("one")
    world.pass_time(31.0)
    view = LiveView.of(life.session, world.node.ticker.now)
    assert [step.state for step in view.steps] == ["authenticating", "active", "idle"]
    assert view.steps[-1].after_s == pytest.approx(30, abs=0.2)
    assert view.state_s == pytest.approx(1, abs=0.2)
    assert view.outcome == "new"
    assert view.held_back_s == 0


async def test_a_live_view_tells_for_how_long_a_device_has_sent_too_much() -> None:
    world = World(wire={"messages_per_s": 1})
    life = world.connect("one")
    life.connection.data_received(2 * encode_masked(Opcode.BINARY, b"x", KEY))
    world.node.each_second()
    assert LiveView.of(life.session, world.node.ticker.now).held_back_s == 1


async def test_what_an_older_process_does_not_tell_of_a_device_is_left_open() -> None:
    world = World()
    told = LiveView.of(world.connect("one").session, world.node.ticker.now).model_dump()
    del told["state_s"], told["held_back_s"]
    told["steps"] = [
        {"state": step["state"], "event": step["event"], "after_s": step["after_s"]}
        for step in told["steps"]
    ]
    view = LiveView.model_validate(told)
    assert view.state_s is None
    assert [(step.previous, step.initiator, step.cause) for step in view.steps] == [
        (None, None, "")
    ] * 2
