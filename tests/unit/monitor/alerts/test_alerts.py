"""From series and incidents to whoever is told, in time that is moved by hand."""

from __future__ import annotations

import asyncio
import json
from io import StringIO
from typing import Any

from msgspec.structs import replace

from keepline.clock import ManualClock
from keepline.hub.twin import TwinHub
from keepline.log import Log
from keepline.monitor.alerts.alert import Account, Action, Notice, What
from keepline.monitor.alerts.alerts import EVENT, Alerts
from keepline.monitor.alerts.incidents import Fact, Incident, Incidents
from keepline.monitor.alerts.kept import decode
from keepline.monitor.gauges import GAUGES
from keepline.monitor.rings import Rings
from keepline.monitor.rules.rulebook import Rulebook
from keepline.monitor.sample import Sample
from keepline.settings.alerts import Alerts as Settings
from keepline.settings.rules import Rules
from tests.unit.monitor.series import WALL

MB = 1_048_576
QUIET = {
    "memory_bytes": 300.0 * MB,
    "memory_limit_bytes": 2_048.0 * MB,
    "descriptor_limit": 20_000.0,
    "rtt_p50_s": 0.02,
}


class Listener:
    """Somebody who is told."""

    def __init__(self) -> None:
        self.heard: list[Notice] = []
        self.stopped = False

    def tell(self, notice: Notice) -> None:
        self.heard.append(notice)

    async def stop(self, within_s: float) -> None:
        assert within_s > 0
        self.stopped = True


class Watch:
    """A node that is looked at every five seconds, with the rules that there are."""

    def __init__(self, hub: TwinHub | None = None, *, durable: bool = True, **rules: Any) -> None:
        self.clock = ManualClock(wall=WALL)
        self.hub = hub or TwinHub(self.clock)
        self.incidents = Incidents()
        self.listener = Listener()
        self.lines = StringIO()
        self.leaving = False
        self.account = Account(undone="it is calm")
        self.rings = Rings(5.0)
        settings = Rules(**rules)
        rulebook = Rulebook(settings, 15_000)
        self.alerts = Alerts(
            Settings(),
            self.incidents,
            evaluate=lambda now: rulebook.evaluate(now, self.rings.series),
            account=lambda _: self.account,
            attentive=self.clock.now,
            is_leaving=lambda: self.leaving,
            is_durable=durable,
            hub=self.hub,
            clock=self.clock,
            loop=asyncio.get_running_loop(),
            log=Log(self.lines, ManualClock(), style="json"),
            notifiers=(self.listener,),
        )

    def for_s(self, seconds: float, **values: tuple[float, float]) -> None:
        """Let time pass, while gauges go evenly from one value to another."""
        steps = int(seconds / 5)
        for step in range(steps):
            self.clock.advance(5.0)
            now = {name: a + (b - a) * step / steps for name, (a, b) in values.items()}
            found = QUIET | now
            row = tuple(found.get(gauge.value, 0.0) for gauge in GAUGES)
            self.rings.add(Sample(self.clock.wall(), row, {}))
            self.alerts.on_sample(None)

    def said(self) -> list[tuple[str, str, str]]:
        return [(what.value, each.about, each.kind) for what, each in self.listener.heard]

    def logged(self) -> list[str]:
        events = [json.loads(line)["event"] for line in self.lines.getvalue().splitlines()]
        return [event for event in events if event.startswith("alert_")]


async def test_a_leak_is_told_once_grows_worse_once_and_is_over_once() -> None:
    watch = Watch()
    await watch.alerts.start()
    watch.for_s(1_800)
    watch.for_s(3_600, memory_bytes=(300 * MB, 900 * MB))
    watch.for_s(3_600, memory_bytes=(900 * MB, 1_900 * MB))
    by_trend = [what for what, _, kind in watch.said() if kind == "trend"]
    assert by_trend == ["opened", "worsened"]
    [alert] = [each for each in watch.alerts.book.open if each.kind == "trend"]
    assert "a leak" in alert.detail
    assert alert.exhausted_in_s is not None
    assert alert.limit == 2_048 * MB
    watch.for_s(2 * 3_600)
    assert watch.alerts.book.open == ()
    by_trend = [what for what, _, kind in watch.said() if kind == "trend"]
    assert by_trend == ["opened", "worsened", "resolved"]
    by_limit = [what for what, _, kind in watch.said() if kind == "threshold"]
    assert by_limit == ["opened", "worsened", "resolved"]
    assert len(watch.logged()) == len(watch.said()) == 6


async def test_a_fleet_that_grows_towards_its_limit_is_told_once() -> None:
    watch = Watch(connections=None)
    await watch.alerts.start()
    watch.for_s(600, connections=(1_000, 1_000))
    watch.for_s(1_500, connections=(1_000, 14_000))
    watch.for_s(3_600, connections=(1_000, 1_000))
    by_kind = {
        kind: [what for what, about, each in watch.said() if (about, each) == ("connections", kind)]
        for kind in ("trend", "threshold")
    }
    assert by_kind["threshold"] == ["opened", "resolved"]
    assert by_kind["trend"][0] == "opened"
    assert by_kind["trend"][-1] == "resolved"
    assert len(by_kind["trend"]) <= 3  # it may have grown worse in between


async def test_a_queue_that_comes_and_goes_is_folded_into_one() -> None:
    watch = Watch(raise_after_s=5, hold_s=10)
    await watch.alerts.start()
    for _ in range(10):
        watch.for_s(60, queue_depth=(900, 900))
        watch.for_s(60, queue_depth=(0, 0))
    said = [what for what, about, kind in watch.said() if (about, kind) == QUEUE]
    assert said == ["opened", "resolved"] * 3 + ["flapping"]
    watch.for_s(1_000)
    said = [what for what, about, kind in watch.said() if (about, kind) == QUEUE]
    assert said[-1] == "resolved"
    assert said.count("flapping") == 1


QUEUE = ("queue_depth", "threshold")


async def test_an_incident_is_told_in_the_next_turn_and_its_end_too() -> None:
    watch = Watch()
    await watch.alerts.start()
    watch.incidents.raised(Incident.STORE_AWAY, Fact("the disk is full"))
    assert watch.said() == []
    await asyncio.sleep(0)
    watch.incidents.cleared(Incident.STORE_AWAY)
    await asyncio.sleep(0)
    about = ("store_away", "incident")
    assert watch.said() == [("opened", *about), ("resolved", *about)]
    assert watch.listener.heard[0].alert.severity == "high"


async def test_an_incident_that_stood_before_anybody_looked_is_told() -> None:
    watch = Watch()
    watch.incidents.raised(Incident.STORE_AWAY, Fact("the disk is full"))
    await watch.alerts.start()
    await asyncio.sleep(0)
    assert watch.said() == [("opened", "store_away", "incident")]


async def test_while_a_node_leaves_its_numbers_open_nothing() -> None:
    watch = Watch(raise_after_s=0)
    await watch.alerts.start()
    watch.leaving = True
    watch.for_s(60, queue_depth=(900, 900))
    assert watch.said() == []
    watch.leaving = False
    watch.for_s(5, queue_depth=(900, 900))
    assert watch.said() == [("opened", "queue_depth", "threshold")]


async def test_what_happens_is_in_the_hub_and_open_alerts_are_there_after_a_restart() -> None:
    watch = Watch(raise_after_s=0)
    await watch.alerts.start()
    watch.for_s(60, queue_depth=(900, 900))
    await watch.alerts.stop(1.0)
    assert watch.listener.stopped
    assert [what for what, *_ in watch.said()] == ["opened"]  # it stays open
    [event] = await watch.hub.latest(kind=EVENT)
    told = json.loads(event.data)
    assert (told["what"], told["number"], told["about"]) == ("opened", 1, "queue_depth")
    after = Watch(watch.hub)
    await after.alerts.start()
    assert [each.number for each in after.alerts.book.open] == [1]
    after.for_s(600)
    assert after.said() == [("resolved", "queue_depth", "threshold")]
    assert "started anew" in after.alerts.book.recent[-1].resolution


async def test_who_remembers_nothing_resolves_all_at_its_end() -> None:
    watch = Watch(durable=False, raise_after_s=0)
    await watch.alerts.start()
    watch.for_s(60, queue_depth=(900, 900))
    await watch.alerts.stop(1.0)
    await asyncio.sleep(0)
    watch.for_s(60, queue_depth=(900, 900))
    assert [what for what, *_ in watch.said()] == ["opened", "resolved"]


async def test_a_memo_that_nobody_can_read_begins_an_empty_book() -> None:
    watch = Watch()
    watch.hub.keep_memo("alerts", b"{")
    await watch.alerts.start()
    assert watch.alerts.book.open == ()
    assert "alerts_unreadable" in watch.lines.getvalue()


async def test_a_silence_keeps_it_from_who_is_told_and_not_from_the_log() -> None:
    watch = Watch(raise_after_s=0)
    await watch.alerts.start()
    made = watch.alerts.silence(3_600, about="queue_depth", by="ann")
    assert made is not None
    watch.for_s(60, queue_depth=(900, 900))
    assert watch.said() == []
    assert watch.logged() == ["alert_opened"]
    assert watch.alerts.unsilence(made.number)
    assert watch.said() == [("opened", "queue_depth", "threshold")]
    assert not watch.alerts.unsilence(made.number)


async def test_who_looks_after_it_is_told_to_all_and_kept() -> None:
    watch = Watch(raise_after_s=0)
    await watch.alerts.start()
    watch.for_s(60, queue_depth=(900, 900))
    found = watch.alerts.acknowledge(1, "ann", "on it")
    assert found is not None
    assert watch.listener.heard[-1].what is What.ACKNOWLEDGED
    assert watch.alerts.acknowledge(7) is None
    after = Watch(watch.hub)
    await after.alerts.start()
    known = after.alerts.book.open[0].acknowledged
    assert known is not None
    assert (known.by, known.note) == ("ann", "on it")


async def test_what_was_done_is_in_the_log_in_events_and_kept() -> None:
    watch = Watch(raise_after_s=0)
    await watch.alerts.start()
    watch.for_s(30, queue_depth=(900, 900))
    begun = Action(WALL, "new devices wait", "12 MB -> 9 MB")
    watch.account = Account((begun,))
    watch.for_s(5, queue_depth=(900, 900))
    kept = decode(await watch.hub.memo("alerts"))
    assert kept is not None
    assert kept.open[0].actions == (begun,)  # that it began is written at once
    watch.account = Account((replace(begun, effect="12 MB -> 1 MB", ended_at=WALL),))
    watch.for_s(120)
    lines = [json.loads(line) for line in watch.lines.getvalue().splitlines()]
    done = [(each["event"], each["done"]) for each in lines]
    assert done == [
        ("alert_opened", "nothing, it is calm"),
        ("alert_resolved", "new devices wait (12 MB -> 1 MB, over)"),
    ]
    [event, _] = await watch.hub.latest(kind=EVENT)
    assert json.loads(event.data)["done"] == done[1][1]


async def test_who_leaves_to_another_says_nothing_more_and_overwrites_nothing() -> None:
    elder = Watch(raise_after_s=0, hold_s=1)
    await elder.alerts.start()
    elder.for_s(30, queue_depth=(900, 900))
    await elder.alerts.leave()
    heir = Watch(elder.hub, raise_after_s=0, hold_s=1)
    await heir.alerts.start()
    elder.for_s(60, queue_depth=(0, 0))
    elder.incidents.raised(Incident.STORE_AWAY, Fact("the disk is full"))
    await asyncio.sleep(0)
    assert elder.alerts.acknowledge(1) is None
    assert elder.alerts.silence(60, about="queue_depth") is None
    assert not elder.alerts.unsilence(1)
    assert [what for what, *_ in elder.said()] == ["opened"]
    heir.for_s(30, queue_depth=(900, 900))
    heir.for_s(30)
    assert heir.said() == [("resolved", "queue_depth", "threshold")]
    await elder.alerts.stop(1.0)
    kept = decode(await heir.hub.memo("alerts"))
    assert kept is not None
    assert (kept.open, [each.number for each in kept.recent]) == ((), [1])


async def test_who_stays_after_all_goes_on_where_it_was() -> None:
    watch = Watch(raise_after_s=0, hold_s=1)
    await watch.alerts.start()
    watch.for_s(30, queue_depth=(900, 900))
    await watch.alerts.leave()
    watch.alerts.stay()
    watch.for_s(30, queue_depth=(900, 900))
    watch.for_s(30)
    assert [what for what, *_ in watch.said()] == ["opened", "resolved"]


async def test_what_is_sampled_before_the_start_opens_nothing() -> None:
    watch = Watch(raise_after_s=0)
    watch.for_s(30, queue_depth=(900, 900))
    watch.incidents.raised(Incident.STORE_AWAY, Fact("the disk is full"))
    assert watch.said() == []


async def test_what_happened_is_counted_by_what_it_was() -> None:
    watch = Watch(raise_after_s=0, hold_s=5)
    await watch.alerts.start()
    watch.for_s(30, queue_depth=(900, 900))
    watch.for_s(30)
    assert watch.alerts.transitions[What.OPENED] == watch.alerts.transitions[What.RESOLVED] == 1
    assert set(watch.alerts.transitions) == set(What)
