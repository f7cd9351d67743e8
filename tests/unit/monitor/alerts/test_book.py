"""The life of an alert: opened once, kept up to date, resolved once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keepline.monitor.alerts.alert import (
    Account,
    Action,
    Notice,
    Problem,
    Status,
    What,
    done_about,
)
from keepline.monitor.alerts.book import (
    ACTIONS,
    MOST_OPEN,
    NOT_SEEN,
    RECENT,
    RESTORE_S,
    STOPPED,
    Book,
)
from keepline.monitor.alerts.kept import decode, encode
from keepline.monitor.findings import Kind, Severity
from keepline.monitor.gauges import Gauge
from keepline.settings.alerts import Alerts as Settings

WALL = 1_800_000_000.0
LOOK_S = 5.0


def memory(
    value: float = 1_200.0, severity: Severity = Severity.MEDIUM, scope: str = ""
) -> Problem:
    detail = f"memory: {value} MB, the limit is 1,024 MB"
    about, kind = Gauge.MEMORY_BYTES.value, Kind.THRESHOLD.value
    return Problem(about, kind, severity, detail, value, 1_024.0, None, scope)


class Reader:
    """Somebody who looks every five seconds and writes down what happened."""

    def __init__(self, book: Book | None = None, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.book = Book(self.settings) if book is None else book
        self.now = 0.0
        self.heard: list[Notice] = []
        self.accounts(Account())

    def accounts(self, account: Account) -> None:
        """From now on this is what was done about every alert."""
        self.account = account

    def sees(self, *problems: Problem, times: int = 1) -> list[What]:
        """Look so often; return what was said about it."""
        said: list[Notice] = []
        for _ in range(times):
            said += self.book.see(self.now, WALL + self.now, problems, lambda _: self.account)
            self.now += LOOK_S
        self.heard += said
        return [each.what for each in said]

    def for_s(self, seconds: float, *problems: Problem) -> list[What]:
        return self.sees(*problems, times=int(seconds / LOOK_S))

    def restarted(self, after_s: float = 10.0) -> Reader:
        """Another process, some time later, with what this one has left."""
        kept = decode(encode(self.book.kept()))
        assert kept is not None
        other = Reader(Book(self.settings, kept, now=self.now + after_s))
        other.now = self.now + after_s
        other.settings = self.settings
        return other


def test_what_holds_is_opened_once_kept_up_to_date_and_resolved_once() -> None:
    reader = Reader()
    assert reader.sees() == []
    assert reader.sees(memory()) == [What.OPENED]
    assert reader.sees(memory(1_300.0), times=10) == []
    [alert] = reader.book.open
    assert (alert.value, alert.limit, alert.severity) == (1_300.0, 1_024.0, "medium")
    assert (alert.since, alert.updated_at) == (WALL + 5, WALL + 55)
    assert "keepline leaks" in alert.advice
    assert reader.sees() == [What.RESOLVED]
    assert reader.sees(times=10) == []
    [over] = reader.book.recent
    assert (over.number, over.status, over.resolved_at) == (1, Status.RESOLVED, WALL + 60)
    assert over.resolution == "it does not hold any more"


def test_one_gauge_can_have_an_alert_of_each_kind_and_each_scope() -> None:
    reader = Reader()
    trend = memory()._replace(kind=Kind.TREND.value)
    problems = (memory(), trend, memory(scope="one"), memory(scope="two"))
    assert reader.sees(*problems) == [What.OPENED] * 4
    assert reader.sees(*problems) == []
    assert [each.number for each in reader.book.open] == [1, 2, 3, 4]


def test_what_grows_worse_is_told_once_and_not_that_it_is_a_little_better() -> None:
    reader = Reader()
    reader.sees(memory())
    assert reader.sees(memory(1_600.0, Severity.HIGH)) == [What.WORSENED]
    assert reader.sees(memory(), memory(1_600.0, Severity.HIGH), times=3) == []
    assert reader.sees(memory(), times=3) == []
    assert reader.book.open[0].severity is Severity.HIGH


def test_what_comes_and_goes_is_folded_into_one_until_it_is_calm() -> None:
    reader = Reader(flap_opens=3, flap_within_s=600, calm_s=100)
    once = [What.OPENED, What.RESOLVED]
    assert reader.sees(memory()) + reader.sees() == once
    assert reader.sees(memory()) + reader.sees() == once
    assert reader.sees(memory()) == [What.FLAPPING]
    for _ in range(20):
        assert reader.sees() + reader.sees(memory()) == []
    [alert] = reader.book.open
    assert (alert.status, alert.openings) == (Status.FLAPPING, 23)
    assert reader.for_s(95) == []
    assert reader.sees(times=3) == [What.RESOLVED]
    assert reader.book.recent[-1].resolution == "it has been calm"
    assert reader.sees(memory()) == [What.OPENED]  # it begins anew


def test_what_comes_back_seldom_does_not_flap() -> None:
    reader = Reader(flap_opens=3, flap_within_s=600)
    for _ in range(10):
        assert reader.sees(memory()) == [What.OPENED]
        assert reader.for_s(300) == [What.RESOLVED]


def test_an_acknowledged_alert_is_not_told_again_unless_it_grows_worse() -> None:
    reader = Reader(repeat_s=60)
    reader.sees(memory())
    assert reader.for_s(125, memory()) == [What.REMINDED] * 2
    notice = reader.book.acknowledge(1, WALL, "ann", "on it")
    assert notice is not None
    assert notice.what is What.ACKNOWLEDGED
    assert reader.for_s(300, memory()) == []
    assert reader.sees(memory(2_000.0, Severity.HIGH)) == [What.WORSENED]
    assert reader.book.open[0].acknowledged is not None
    assert reader.book.acknowledge(2, WALL, "ann", "") is None


def test_without_a_time_nothing_is_told_again() -> None:
    reader = Reader()
    reader.sees(memory())
    assert reader.for_s(86_400, memory()) == []


def silenced(reader: Reader, for_s: float, about: str = "", kind: str = "") -> int:
    made = reader.book.silences.add(about, kind, WALL + reader.now, for_s)
    assert made is not None
    return made.number


def test_what_is_silenced_is_not_told_and_told_afterwards_if_it_still_holds() -> None:
    reader = Reader()
    silenced(reader, 100, about="memory_bytes")
    reader.for_s(95, memory())
    assert [each.alert.silenced for each in reader.heard] == [True] * len(reader.heard)
    reader.heard.clear()
    assert reader.for_s(60, memory()) == [What.OPENED]
    assert not reader.heard[0].alert.silenced
    assert reader.sees() == [What.RESOLVED]
    assert not reader.heard[-1].alert.silenced


def test_what_came_and_went_while_silenced_is_told_to_nobody() -> None:
    reader = Reader()
    silenced(reader, 1_000, kind="threshold")
    reader.sees(memory(), times=3)
    assert reader.sees() == [What.RESOLVED]
    assert all(each.alert.silenced for each in reader.heard)


def test_whoever_heard_of_it_hears_that_it_is_over_whatever_is_silenced() -> None:
    reader = Reader()
    reader.sees(memory())
    silenced(reader, 1_000)
    assert reader.sees(memory(), times=3) == []
    assert reader.sees() == [What.RESOLVED]
    assert not reader.heard[-1].alert.silenced


def test_what_is_silenced_is_written_down_once_not_at_every_look() -> None:
    reader = Reader(repeat_s=10)
    silenced(reader, 10_000)
    assert reader.for_s(1_000, memory()) == [What.OPENED]


def test_a_silence_that_is_lifted_is_over_at_once() -> None:
    reader = Reader()
    number = silenced(reader, 1_000)
    reader.sees(memory())
    assert reader.book.silences.lift(number)
    assert reader.sees(memory()) == [What.OPENED]
    assert not reader.heard[-1].alert.silenced


def test_what_still_holds_after_a_restart_is_the_same_alert_and_no_news() -> None:
    reader = Reader()
    reader.sees(memory(), memory(scope="other"))
    reader.book.acknowledge(1, WALL, "ann", "")
    after = reader.restarted()
    assert after.sees(times=3) == []
    assert after.for_s(RESTORE_S * 2, memory()) == [What.RESOLVED]
    [same] = after.book.open
    assert (same.number, same.since) == (1, WALL)
    assert same.acknowledged is not None
    [gone] = after.book.recent
    assert (gone.number, gone.resolution) == (2, NOT_SEEN)
    assert not gone.silenced  # who was told that it is open
    assert after.sees(memory(), memory(scope="third")) == [What.OPENED]
    assert after.book.open[-1].number == 3


def test_silences_and_what_is_over_are_there_after_a_restart() -> None:
    reader = Reader()
    silenced(reader, 1_000, about="memory_bytes")
    reader.sees(memory())
    reader.sees()
    after = reader.restarted()
    assert [each.number for each in after.book.recent] == [1]
    after.sees(memory())
    assert after.heard[-1].alert.silenced
    assert silenced(after, 10) == 2


def test_at_the_end_of_who_remembers_nothing_all_is_resolved() -> None:
    reader = Reader()
    reader.sees(memory(), memory(scope="other"))
    found = reader.book.end_all(WALL + 60)
    assert [each.what for each in found] == [What.RESOLVED] * 2
    assert {each.alert.resolution for each in found} == {STOPPED}
    assert reader.book.open == ()


def test_what_was_done_is_on_the_alert_from_its_first_notice_to_its_last() -> None:
    reader = Reader()
    shrunk = Action(WALL + 2, "idle buffers shrunk", "92 % -> 90 %")
    reader.accounts(Account((shrunk,), "it is calm"))
    assert reader.sees(memory()) == [What.OPENED]
    assert reader.heard[0].alert.actions == (shrunk,)
    assert reader.heard[0].alert.undone == ""
    assert reader.book.acted
    reader.accounts(Account((replace(shrunk, effect="92 % -> 85 %"),)))
    assert reader.sees(memory()) == []
    assert reader.book.open[0].actions[0].effect == "92 % -> 85 %"
    assert not reader.book.acted  # its number alone has changed
    over = replace(shrunk, effect="92 % -> 80 %", ended_at=WALL + 9)
    again = Action(WALL + 11, "idle buffers shrunk", "91 % -> 91 %")
    reader.accounts(Account((over, again)))
    reader.sees(memory())
    assert reader.book.acted
    reader.accounts(Account((replace(again, effect="91 % -> 70 %", ended_at=WALL + 15),)))
    assert reader.sees() == [What.RESOLVED]
    told = done_about(reader.heard[-1].alert)
    assert told == (
        "idle buffers shrunk (92 % -> 80 %, over); idle buffers shrunk (91 % -> 70 %, over)"
    )


def test_why_nothing_was_done_is_told_until_something_is() -> None:
    reader = Reader()
    reader.accounts(Account(undone="52 % of memory are no pressure"))
    reader.sees(memory())
    assert done_about(reader.heard[0].alert) == "nothing, 52 % of memory are no pressure"
    reader.accounts(Account((Action(WALL, "idle buffers shrunk"),)))
    reader.sees(memory())
    assert done_about(reader.book.open[0]) == "idle buffers shrunk"


def test_what_was_done_without_end_is_bounded() -> None:
    reader = Reader()
    for number in range(ACTIONS + 5):
        reader.accounts(Account((Action(WALL, f"step {number}"),)))
        reader.sees(memory())
    assert len(reader.book.open[0].actions) == ACTIONS
    assert reader.book.open[0].actions[-1].action == f"step {ACTIONS + 4}"


def test_of_many_actions_the_latest_are_kept_however_many_are_told_again() -> None:
    reader = Reader()
    done = tuple(Action(WALL + at, "devices are held", "", WALL + at + 1) for at in range(50))
    for until in (30, 50, 50):
        reader.accounts(Account(done[:until]))
        reader.sees(memory())
        assert reader.book.open[0].actions == done[until - ACTIONS : until]
    assert not reader.book.acted


def test_a_flapping_alert_that_still_holds_after_a_restart_has_not_come_once_more() -> None:
    reader = Reader(flap_opens=2, flap_within_s=600)
    reader.sees(memory())
    reader.sees()
    reader.sees(memory())
    after = reader.restarted()
    after.sees(memory(), times=3)
    assert after.book.open[0].openings == reader.book.open[0].openings == 2


def test_what_a_former_life_did_has_ended_with_it_and_stays_on_the_alert() -> None:
    reader = Reader()
    reader.accounts(Account((Action(WALL, "idle devices sent away", "92 % -> 90 %"),)))
    reader.sees(memory())
    after = reader.restarted()
    mine = Action(WALL + 15, "idle devices sent away", "91 % -> 91 %")
    after.accounts(Account((mine,)))
    after.sees(memory())
    theirs, same = after.book.open[0].actions
    assert (theirs.effect, theirs.ended_at) == ("92 % -> 90 %", WALL)
    assert same == mine


def test_alerts_without_number_are_bounded_and_those_beyond_are_counted() -> None:
    reader = Reader()
    many = [memory(scope=str(number)) for number in range(MOST_OPEN + 5)]
    assert len(reader.sees(*many)) == MOST_OPEN
    assert reader.sees(*many, times=3) == []
    assert reader.book.refused == 5
    assert len(reader.sees()) == MOST_OPEN
    assert len(reader.book.recent) == RECENT


LOOKS = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=60)


@given(LOOKS)
def test_of_any_series_openings_and_endings_alternate(looks: Iterable[tuple[bool, int]]) -> None:
    reader = Reader(flap_opens=3, flap_within_s=300, calm_s=60)
    heard: list[What] = []
    for holds, times in looks:
        heard += reader.sees(*[memory()] * holds, times=times)
    begun = [what for what in heard if what is not What.RESOLVED]
    assert heard[1::2] == [What.RESOLVED] * len(heard[1::2])
    assert set(heard[0::2]) <= {What.OPENED, What.FLAPPING}
    assert len(begun) - (len(heard) - len(begun)) == len(reader.book.open)
