from __future__ import annotations

import pytest

from keepline.relay.upstreams.upstream import RECENT, UNHEALTHY_CHECKS, Health
from tests.unit.relay.upstreams.pools import eject, upstream_with


def test_it_counts_what_is_open_and_what_is_under_way() -> None:
    upstream, _ = upstream_with()
    for _ in range(4):
        upstream.begin()
    assert (upstream.opening, upstream.live, upstream.load) == (4, 0, 4)
    upstream.opened(0.0)
    upstream.opened(0.0)
    upstream.failed(0.0, "refused")
    upstream.abandoned()
    assert (upstream.opening, upstream.live, upstream.load) == (0, 2, 2)
    upstream.closed(1.0)
    assert (upstream.live, upstream.connects, upstream.failures) == (1, 2, 1)


def test_its_name_shows_neither_query_nor_capitals() -> None:
    upstream, _ = upstream_with()
    assert upstream.name == "ws://voice-0:8000/xiaozhi/v1/"
    assert "s3cret" not in repr(upstream)


@pytest.mark.parametrize(("connects", "may"), [(2, True), (3, False), (4, False)])
def test_connects_under_way_have_a_limit(connects: int, *, may: bool) -> None:
    upstream, _ = upstream_with(connects=3)
    for _ in range(connects):
        upstream.begin()
    assert upstream.may_connect() is may


@pytest.mark.parametrize(("failures", "ejected"), [(4, False), (5, True), (6, True)])
def test_failures_in_a_row_eject_it(failures: int, *, ejected: bool) -> None:
    upstream, changes = upstream_with(failures=5)
    for _ in range(failures):
        upstream.begin()
        upstream.failed(7.0, "refused")
    assert upstream.is_ejected is ejected
    assert [(each.what, each.why, each.for_s) for each in changes] == (
        [("ejected", "refused", 10.0)] if ejected else []
    )


def test_a_success_begins_the_row_anew() -> None:
    upstream, changes = upstream_with(failures=3)
    for _ in range(5):
        for _ in range(2):
            upstream.begin()
            upstream.failed(0.0, "refused")
        for _ in range(3):
            upstream.begin()
            upstream.opened(0.0)
    assert changes == []


@pytest.mark.parametrize(("failing", "ejected"), [(9, False), (10, True), (11, True)])
def test_a_share_of_the_recent_ones_ejects_it(failing: int, *, ejected: bool) -> None:
    upstream, _ = upstream_with(failures=1_000, failure_share=0.5)
    for _ in range(RECENT - failing):
        upstream.begin()
        upstream.opened(0.0)
    for _ in range(failing):
        upstream.begin()
        upstream.failed(0.0, "refused")
    assert upstream.is_ejected is ejected


def test_a_few_failures_among_few_are_no_share_yet() -> None:
    upstream, _ = upstream_with(failures=1_000)
    for _ in range(RECENT - 1):
        upstream.begin()
        upstream.failed(0.0, "refused")
    assert not upstream.is_ejected
    upstream.begin()
    upstream.failed(0.0, "refused")
    assert upstream.is_ejected


def test_connections_that_break_off_count_as_failures() -> None:
    upstream, _ = upstream_with(failures=3)
    for _ in range(6):
        upstream.begin()
        upstream.opened(0.0)
    for _ in range(3):
        upstream.closed(1.0)
    assert not upstream.is_ejected
    for _ in range(3):
        upstream.closed(1.0, broken="reset")
    assert upstream.is_ejected
    assert upstream.live == 0


def test_it_wants_one_trial_and_not_before_its_time() -> None:
    upstream, _ = upstream_with(eject_s=10.0)
    eject(upstream)
    assert not upstream.wants_trial(9.9)
    assert upstream.wants_trial(10.0)
    upstream.begin()
    assert not upstream.wants_trial(11.0)
    upstream.abandoned()
    assert upstream.wants_trial(11.0)


def test_each_trial_that_fails_ejects_it_for_longer_up_to_a_limit() -> None:
    upstream, changes = upstream_with(eject_s=10.0, eject_max_s=60.0)
    eject(upstream)
    now = 0.0
    for _ in range(4):
        now += changes[-1].for_s
        upstream.begin()
        upstream.failed(now, "refused")
    assert [each.for_s for each in changes] == [10.0, 20.0, 40.0, 60.0, 60.0]


def test_late_failures_of_what_was_under_way_say_nothing_new() -> None:
    upstream, changes = upstream_with(failures=3)
    for _ in range(9):
        upstream.begin()
    for _ in range(9):
        upstream.failed(0.0, "refused")
    assert len(changes) == 1
    assert upstream.failures == 9


def test_a_straggler_that_succeeds_is_no_trial() -> None:
    upstream, _ = upstream_with()
    upstream.begin()
    eject(upstream)
    upstream.opened(1.0)
    assert upstream.is_ejected


def test_a_trial_that_succeeds_brings_it_back_slowly() -> None:
    upstream, changes = upstream_with(slow_start_s=30.0)
    eject(upstream)
    assert upstream.health(10.0) is Health.EJECTED
    upstream.begin()
    upstream.opened(10.0)
    assert changes[-1].what == "returned"
    assert [upstream.share(now) for now in (10.0, 25.0, 40.0, 99.0)] == [0.1, 0.5, 1.0, 1.0]
    assert upstream.health(39.9) is Health.SLOW_START
    assert upstream.health(40.0) is Health.HEALTHY


def test_one_that_is_back_is_not_judged_by_what_was_before() -> None:
    upstream, changes = upstream_with(failures=5)
    eject(upstream)
    for _ in range(RECENT):  # late ones are no news, and do not count later, either
        upstream.begin()
    for _ in range(RECENT):
        upstream.failed(1.0, "refused")
    upstream.begin()
    upstream.opened(10.0)
    for _ in range(4):
        upstream.begin()
        upstream.failed(11.0, "refused")
    assert [each.what for each in changes] == ["ejected", "returned"]


def test_after_its_return_a_share_needs_as_many_connects_as_before() -> None:
    upstream, changes = upstream_with(failures=1_000)
    for _ in range(RECENT):
        upstream.begin()
        upstream.failed(0.0, "refused")
    upstream.begin()
    upstream.opened(10.0)
    for _ in range(RECENT - 1):
        upstream.begin()
        upstream.failed(11.0, "refused")
    assert [each.what for each in changes] == ["ejected", "returned"]


def test_one_that_fails_soon_after_its_return_is_ejected_for_longer() -> None:
    upstream, changes = upstream_with(eject_s=10.0, eject_max_s=100.0)
    for began in (0.0, 50.0, 300.0):
        eject(upstream, began)
        upstream.begin()
        upstream.opened(began + 45.0)
    times = [each.for_s for each in changes if each.what == "ejected"]
    assert times == [10.0, 20.0, 10.0]  # the last after it was well for long


@pytest.mark.parametrize("unwell", [UNHEALTHY_CHECKS - 1, UNHEALTHY_CHECKS, UNHEALTHY_CHECKS + 1])
def test_checks_that_fail_in_a_row_eject_it(unwell: int) -> None:
    upstream, changes = upstream_with()
    for _ in range(unwell):
        upstream.checked(0.0, "no connection")
    assert upstream.is_ejected is (unwell >= UNHEALTHY_CHECKS)
    assert len(changes) == (unwell >= UNHEALTHY_CHECKS)


def test_while_checks_fail_there_is_no_trial_and_then_there_is_at_once() -> None:
    upstream, _ = upstream_with()
    for _ in range(UNHEALTHY_CHECKS):
        upstream.checked(0.0, "no connection")
    assert not upstream.wants_trial(1_000.0)
    upstream.checked(1_000.0)
    assert upstream.wants_trial(1_000.0)
    assert upstream.is_ejected  # a check opens no session: a device decides


def test_a_check_that_succeeds_again_ends_the_wait_for_a_trial() -> None:
    upstream, _ = upstream_with(eject_s=10.0)
    for _ in range(UNHEALTHY_CHECKS):
        upstream.checked(0.0, "no connection")
    upstream.checked(2.0)
    assert upstream.wants_trial(2.0)


def test_a_check_that_succeeds_shortens_no_ejection_for_failures() -> None:
    upstream, _ = upstream_with(eject_s=10.0)
    eject(upstream)
    upstream.checked(1.0)
    assert not upstream.wants_trial(9.9)
    assert upstream.wants_trial(10.0)


@pytest.mark.parametrize("well", [True, False])
def test_one_that_came_back_against_its_checks_is_ejected_by_as_many_as_ever(*, well: bool) -> None:
    upstream, changes = upstream_with()
    for _ in range(UNHEALTHY_CHECKS):
        upstream.checked(0.0, "no connection")
    upstream.begin()
    upstream.opened(1.0)
    for _ in range(UNHEALTHY_CHECKS):
        upstream.checked(2.0, "" if well else "no connection")
    assert upstream.is_ejected is not well
    assert [each.what for each in changes] == ["ejected", "returned", "ejected"][: 2 + (not well)]


def test_draining_is_told_once_and_ends_slowly() -> None:
    upstream, changes = upstream_with(slow_start_s=30.0)
    upstream.drain()
    upstream.drain()
    assert upstream.health(0.0) is Health.DRAINING
    upstream.undrain(5.0)
    upstream.undrain(6.0)
    assert [each.what for each in changes] == ["draining", "undrained"]
    assert upstream.health(5.0) is Health.SLOW_START


def test_latency_follows_without_jumping() -> None:
    upstream, _ = upstream_with()
    upstream.latency(0.1)
    assert upstream.latency_s == 0.1
    upstream.latency(1.1)
    assert upstream.latency_s == pytest.approx(0.3)


def test_what_is_kept_of_a_failure_is_bounded() -> None:
    upstream, _ = upstream_with()
    upstream.begin()
    upstream.failed(0.0, "x" * 10_000)
    assert len(upstream.last_failure) == 200
