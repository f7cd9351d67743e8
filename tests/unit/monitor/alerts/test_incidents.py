from __future__ import annotations

from keepline.monitor.alerts.incidents import MOST, Fact, Incident, Incidents
from keepline.monitor.findings import Severity


class Heard:
    def __init__(self) -> None:
        self.incidents = Incidents()
        self.times = 0
        self.incidents.on_change = self.hear

    def hear(self) -> None:
        self.times += 1

    def names(self, now: float = 0.0) -> list[tuple[str, str]]:
        return [(each.about, each.scope) for each in self.incidents.problems(now)]


def test_what_is_raised_stands_until_it_is_cleared_and_is_news_once() -> None:
    heard = Heard()
    heard.incidents.raised(Incident.STORE_AWAY, Fact("the disk is full"))
    heard.incidents.raised(Incident.STORE_AWAY, Fact("the disk is full, still"))
    assert heard.times == 1
    [problem] = heard.incidents.problems(0.0)
    assert (problem.about, problem.kind) == ("store_away", "incident")
    assert (problem.severity, problem.detail) == (Severity.HIGH, "the disk is full, still")
    heard.incidents.cleared(Incident.STORE_AWAY)
    heard.incidents.cleared(Incident.STORE_AWAY)
    assert heard.times == 2
    assert heard.names() == []


def test_what_nobody_will_clear_ends_by_itself_unless_it_happens_again() -> None:
    heard = Heard()
    heard.incidents.raised(Incident.LOOP_BLOCKED, Fact("for 2 s"), "A", until=60.0)
    heard.incidents.raised(Incident.LOOP_BLOCKED, Fact("for 3 s"), "A", until=90.0)
    assert heard.names(89.0) == [("loop_blocked", "A")]
    assert heard.names(90.0) == []


def test_who_sees_all_of_a_name_replaces_all_of_it() -> None:
    heard = Heard()
    heard.incidents.raised(Incident.STORE_AWAY, Fact("away"))
    heard.incidents.stands(Incident.LEAK, {"A": Fact("a"), "B": Fact("b")})
    heard.incidents.stands(Incident.LEAK, {"B": Fact("b, more"), "C": Fact("c")})
    assert heard.names() == [("store_away", ""), ("leak", "B"), ("leak", "C")]
    assert [each.detail for each in heard.incidents.problems(0.0)] == ["away", "b, more", "c"]
    heard.incidents.stands(Incident.LEAK, {})
    assert heard.names() == [("store_away", "")]


def test_no_more_stand_than_may() -> None:
    heard = Heard()
    for number in range(MOST + 5):
        heard.incidents.raised(Incident.LEAK, Fact("x"), str(number))
    assert len(heard.names()) == MOST
