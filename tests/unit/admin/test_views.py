"""What is told of a device is what is known of it."""

from __future__ import annotations

from keepline.admin.views import EndingView, RefusalView, SessionView
from keepline.gateway.endings import Refusal
from tests.unit.gateway.fakes import World
from tests.unit.gateway.test_endings import SOME


async def test_a_view_of_a_session_has_every_field_in_its_type() -> None:
    world = World()
    view = SessionView.of(world.connect("one").session, world.node.ticker.now)
    assert SessionView.model_validate(view.model_dump()) == view
    assert set(view.model_dump()) == set(SessionView.model_fields)


def test_a_view_of_an_ending_adds_what_belongs_to_its_cause() -> None:
    view = EndingView.of(SOME, wall=SOME.at + 180)
    assert (view.ago_s, view.code, view.initiator, view.advice) == (180, 1001, "us", "come_back")
    assert (view.claim, view.last_frame_s) == (SOME.claim, SOME.last_frame_s)


def test_a_wall_clock_that_stepped_back_makes_no_ending_of_the_future() -> None:
    assert EndingView.of(SOME, wall=SOME.at - 5).ago_s == 0
    assert RefusalView.of(Refusal(9.0, "full", "one", "", ""), wall=5.0).ago_s == 0
