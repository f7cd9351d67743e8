from __future__ import annotations

from pathlib import Path

from keepline.app.workers.aftermath import KNOWN_FOR_S, tell
from keepline.app.workers.post import Post
from tests.unit.gateway.fakes import World


def post(ended: str) -> Post:
    nowhere = Path("/nonexistent")
    return Post(slot=2, many=2, slots=4, directory=nowhere, devices=(), admin=None, ended=ended)


async def test_that_a_worker_was_killed_is_an_alert_for_a_while_and_an_event_for_good() -> None:
    world = World()
    tell(post("signal SIGKILL"), world.node)
    [problem] = world.node.incidents.problems(world.node.ticker.now)
    assert (problem.about, problem.scope) == ("worker_ended", "2")
    assert problem.detail == "worker 2 ended by signal SIGKILL, and was started again"
    assert world.node.incidents.problems(world.node.ticker.now + KNOWN_FOR_S) == []
    [event] = await world.node.hub.events()
    assert (event.kind, event.data) == (
        "worker_ended",
        b'{"worker":2,"how":"signal SIGKILL"}',
    )


async def test_where_nothing_happened_nothing_is_told() -> None:
    world = World()
    tell(post(""), world.node)
    tell(None, world.node)
    assert world.node.incidents.problems(world.node.ticker.now) == []
    assert await world.node.hub.events() == []
