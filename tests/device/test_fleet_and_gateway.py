"""Simulated devices and the gateway over real sockets: who was counted where, and what is left."""

from __future__ import annotations

from typing import Any, ClassVar

from keepline.fleet.habits import Habits
from keepline.fleet.runner import run_fleet
from keepline.gateway.handler import Handler
from keepline.gateway.session import Session
from keepline.wire.messages import Alert, DeviceMessage, Mcp
from tests.waiting import eventually


async def run(gateway: Any, habits: Habits, *, seconds: float, token: str | None = None) -> Any:
    return await run_fleet(
        gateway.url,
        devices=20,
        token=token or gateway.token,
        seconds=seconds,
        seed=1,
        ramp_per_s=200,
        on_progress=lambda _: None,
        habits=habits,
    )


async def test_everybody_is_answered_with_their_own_voice_and_nobody_stays(gateway: Any) -> None:
    habits = Habits(pause_s=(0.1, 0.5), turn_frames=(3, 10), die=0.0, audio_versions=(1, 2, 3))
    report = await run(gateway, habits, seconds=4)
    counts = report.counts
    assert counts.hellos >= 20
    assert counts.turns_answered > 20
    assert counts.frames_heard > 100
    assert counts.foreign_frames == counts.turns_unanswered == counts.violations == 0
    assert counts.lost == counts.timeouts == counts.connect_failures == 0
    assert not counts.closed
    assert not counts.refused
    assert gateway.counters.malformed_audio == 0
    await eventually(lambda: not gateway.node.registry)
    ends = [line["cause"] for line in gateway.logged("device_disconnected")]
    # Who hangs up with something unread sends a RST instead of a FIN; both are the device's.
    assert set(ends) <= {"device_closed", "device_reset"}
    assert len(ends) >= counts.hellos  # one may have left before it read the server's hello


async def test_a_wrong_token_is_refused_by_status(gateway: Any) -> None:
    report = await run(gateway, Habits(pause_s=(0.2, 0.4)), seconds=1, token="wrong")
    refused = report.counts.refused
    assert refused[401] > 0
    assert set(refused) <= {401, 429}  # who fails again and again is not even judged
    assert report.counts.hellos == report.counts.closed.total() == report.counts.lost == 0


class Asks(Handler):
    """Asks every device for its tools and for something that none has, then shows a notice."""

    answers: ClassVar[list[Any]] = []

    def opened(self, session: Session) -> None:
        for number, method in enumerate(("tools/list", "keepline/alive")):
            session.send(Mcp({"jsonrpc": "2.0", "method": method, "id": number}))
        session.send(Alert(status="a", message="b", emotion="neutral"))
        session.send_text('{"type":"nobody knows"}')

    def text(self, session: Session, message: DeviceMessage) -> None:
        if isinstance(message, Mcp):
            self.answers.append(message.payload)


async def test_devices_answer_for_their_tools_and_ignore_what_they_do_not_know(
    start_gateway: Any,
) -> None:
    gateway = await start_gateway(Asks)
    counts = (await run(gateway, Habits(pause_s=(5, 6)), seconds=1)).counts
    assert counts.tool_answers == 40
    assert counts.alerts == counts.ignored == counts.hellos == 20
    listed = [answer for answer in Asks.answers if answer["id"] == 0]
    assert {len(answer["result"]["tools"]) for answer in listed} == {2}
    failed = [answer["error"] for answer in Asks.answers if answer["id"] == 1]
    assert failed == [{"message": "Method not implemented: keepline/alive"}] * 20


async def test_a_device_back_from_the_dead_takes_over_its_own_session(gateway: Any) -> None:
    habits = Habits(pause_s=(0.1, 0.2), turn_frames=(2, 4), die=1.0, hang_up=0.0, dead_s=(0.2, 0.3))
    report = await run(gateway, habits, seconds=2)
    assert report.counts.died > 20
    assert report.counts.hellos > 20
    await eventually(lambda: not gateway.node.registry)
    causes = {line["cause"] for line in gateway.logged("device_disconnected")}
    assert "replaced" in causes
