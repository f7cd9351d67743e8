"""Simulated devices and the gateway over real sockets: who was counted where, and what is left."""

from __future__ import annotations

from typing import Any, ClassVar

from keepline.fleet.habits import Habits
from keepline.fleet.report import Report
from keepline.gateway.handler import Handler
from keepline.gateway.session import Session
from keepline.wire.messages import Alert, DeviceMessage, Mcp
from tests.device.fleets import Enough, live_until
from tests.waiting import eventually


async def run(gateway: Any, habits: Habits, enough: Enough, *, token: str | None = None) -> Report:
    return await live_until(
        enough,
        url=gateway.url,
        devices=20,
        token=token or gateway.token,
        ramp_per_s=200,
        habits=habits,
    )


async def test_everybody_is_answered_with_their_own_voice_and_nobody_stays(gateway: Any) -> None:
    habits = Habits(pause_s=(0.1, 0.5), turn_frames=(3, 10), die=0.0, audio_versions=(1, 2, 3))

    def have_talked(report: Report) -> bool:
        counts = report.counts
        return min(report.elapsed_s - 4, counts.turns_answered - 20, counts.frames_heard - 100) > 0

    counts = (await run(gateway, habits, have_talked)).counts
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
    def all_were_refused(report: Report) -> bool:
        return report.elapsed_s > 1 and report.counts.refused[401] > 0

    report = await run(gateway, Habits(pause_s=(0.2, 0.4)), all_were_refused, token="wrong")
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

    def have_answered(report: Report) -> bool:
        counts = report.counts
        return (counts.tool_answers, counts.alerts, counts.ignored) == (40, 20, 20)

    counts = (await run(gateway, Habits(pause_s=(60, 61)), have_answered)).counts
    assert counts.tool_answers == 40
    assert counts.alerts == counts.ignored == counts.hellos == 20
    await eventually(lambda: len(Asks.answers) == 40)
    listed = [answer for answer in Asks.answers if answer["id"] == 0]
    assert {len(answer["result"]["tools"]) for answer in listed} == {2}
    failed = [answer["error"] for answer in Asks.answers if answer["id"] == 1]
    assert failed == [{"message": "Method not implemented: keepline/alive"}] * 20


async def test_a_device_back_from_the_dead_takes_over_its_own_session(gateway: Any) -> None:
    habits = Habits(pause_s=(0.1, 0.2), turn_frames=(2, 4), die=1.0, hang_up=0.0, dead_s=(0.2, 0.3))

    def have_come_back(report: Report) -> bool:
        return report.counts.died > 20 and report.counts.hellos > 20

    report = await run(gateway, habits, have_come_back)
    assert report.counts.died > 20
    assert report.counts.hellos > 20
    await eventually(lambda: not gateway.node.registry)
    causes = {line["cause"] for line in gateway.logged("device_disconnected")}
    assert "replaced" in causes
