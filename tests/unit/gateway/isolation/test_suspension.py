from __future__ import annotations

from keepline.gateway.isolation.suspension import PROBES, WORKED_S, Standing, Suspension
from keepline.settings.isolation import Isolation

LIMITS = Isolation(failing_devices=3, failing_within_s=60, suspended_for_s=30)


def suspended(at: float = 0.0) -> Suspension[str]:
    suspension = Suspension[str](LIMITS)
    for number in range(3):
        suspension.failed(f"device-{number}", at, connected=0)
    return suspension


def test_one_device_less_than_the_limit_suspends_nothing() -> None:
    suspension = Suspension[str](LIMITS)
    assert not suspension.failed("one", 0.0, connected=0)
    assert not suspension.failed("two", 1.0, connected=0)
    assert suspension.standing(1.0) is Standing.SERVING
    assert suspension.failed("three", 2.0, connected=0)
    assert suspension.standing(2.0) is Standing.SUSPENDED
    assert not suspension.may_begin(2.0)
    assert suspension.wait_s(2.0) == 30.0


def test_a_device_counts_once_however_often_it_fails() -> None:
    suspension = Suspension[str](LIMITS)
    assert not any(suspension.failed("one", float(at), connected=0) for at in range(50))
    assert (suspension.failures, suspension.devices(49.0)) == (50, 1)


def test_failures_are_forgotten_after_their_time() -> None:
    suspension = Suspension[str](LIMITS)
    suspension.failed("one", 0.0, connected=0)
    suspension.failed("two", 0.0, connected=0)
    assert not suspension.failed("three", 60.0, connected=0)
    assert suspension.devices(60.0) == 1


def test_with_many_connected_a_tenth_of_them_has_to_fail() -> None:
    suspension = Suspension[str](LIMITS)
    verdicts = [suspension.failed(str(number), 0.0, connected=100) for number in range(10)]
    assert verdicts == [False] * 9 + [True]


def test_afterwards_a_few_are_begun_to_see() -> None:
    suspension = suspended()
    assert suspension.standing(29.9) is Standing.SUSPENDED
    assert suspension.standing(30.0) is Standing.PROBING
    for number in range(PROBES):
        assert suspension.may_begin(30.0)
        suspension.begun(f"probe-{number}", 30.0)
    assert not suspension.may_begin(30.0)
    suspension.left("probe-0")
    assert suspension.may_begin(30.0)


def test_a_probe_that_goes_well_ends_it() -> None:
    suspension = suspended()
    suspension.begun("probe", 30.0)
    assert suspension.probes() == (("probe", 30.0),)
    suspension.proved()
    assert suspension.standing(30.0) is Standing.SERVING
    assert suspension.probes() == ()


def test_as_many_devices_as_are_tried_suspend_it_again() -> None:
    suspension = suspended()
    for number in range(PROBES - 1):
        assert not suspension.failed(f"probe-{number}", 31.0, connected=1_000)
    assert suspension.failed("the last", 31.0, connected=1_000)
    assert suspension.standing(60.9) is Standing.SUSPENDED
    assert suspension.standing(61.0) is Standing.PROBING
    assert suspension.suspensions == 2


def test_who_fails_while_it_is_suspended_counts_when_it_is_tried() -> None:
    suspension = suspended()
    for number in range(PROBES - 1):
        assert not suspension.failed(f"late-{number}", 10.0, connected=0)
    assert suspension.failed("another", 31.0, connected=0)


def test_one_device_that_always_fails_does_not_keep_the_others_out_for_ever() -> None:
    suspension = suspended()
    assert not any(suspension.failed("bad", 30.0 + each, connected=0) for each in range(25))
    assert suspension.may_begin(55.0)


def test_who_is_begun_while_all_is_well_is_no_probe() -> None:
    suspension = Suspension[str](LIMITS)
    suspension.begun("session", 0.0)
    assert suspension.probes() == ()


def test_of_one_origin_a_quarter_of_what_it_takes_counts_at_most() -> None:
    suspension = Suspension[str](Isolation(failing_devices=10))
    for origin in "abc":
        for number in range(100):
            assert not suspension.failed(f"{origin}{number}", 0.0, connected=0, origin=origin)
    assert suspension.devices(0.0) == 9
    assert suspension.failed("d0", 0.0, connected=0, origin="d")


def test_what_is_no_origin_of_its_own_counts_in_full() -> None:
    suspension = Suspension[str](LIMITS)
    verdicts = [suspension.failed(f"device-{number}", 0.0, connected=0) for number in range(3)]
    assert verdicts == [False, False, True]


def test_while_it_works_with_as_many_it_is_not_suspended_and_counting_begins_anew() -> None:
    suspension, asked = Suspension[str](LIMITS), list[int]()

    def works(most: int) -> bool:
        asked.append(most)
        return True

    for number in range(3):
        assert not suspension.failed(f"device-{number}", 0.0, connected=0, works=works)
    assert (asked, suspension.devices(0.0)) == ([3], 0)
    assert suspension.standing(0.0) is Standing.SERVING


def test_that_it_works_is_believed_for_a_while_and_so_long_nobody_asks_again() -> None:
    suspension, asked = Suspension[str](LIMITS), list[float]()
    for now in (0.0, WORKED_S - 0.1, WORKED_S):

        def works(_most: int, now: float = now) -> bool:
            asked.append(now)
            return now == 0.0

        for number in range(3):
            broken = suspension.failed(f"device-{number}", now, connected=0, works=works)
        assert broken is (now == WORKED_S)
    assert asked == [0.0, WORKED_S]


def test_it_is_remembered_while_it_is_believed() -> None:
    suspension = Suspension[str](LIMITS)
    for number in range(3):
        suspension.failed(f"device-{number}", 0.0, connected=0, works=lambda _: True)
    assert not suspension.is_idle(WORKED_S - 0.1)
    assert suspension.is_idle(WORKED_S)


def test_where_nobody_comes_to_try_it_is_deserted_when_no_failure_counts_any_more() -> None:
    suspension = suspended()
    assert not Suspension[str](LIMITS).is_deserted(1_000.0)
    assert not suspension.is_deserted(89.9)
    assert suspension.is_deserted(90.0)
    suspension.begun("probe", 90.0)
    assert not suspension.is_deserted(1_000.0)


def test_where_one_comes_again_and_fails_it_is_not_deserted() -> None:
    suspension = suspended()
    suspension.failed("bad", 89.0, connected=0)
    assert not suspension.is_deserted(148.9)
    assert suspension.is_deserted(149.0)


def test_while_it_is_tried_nobody_asks_whether_it_works_with_others() -> None:
    suspension = suspended()
    for number in range(PROBES):
        again = suspension.failed(f"probe-{number}", 31.0, connected=0, works=lambda _: True)
    assert again
