"""The allow-list is consistent, the page says the same, and a difference is always noticed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.conformance import expected, page
from tests.conformance.expected import Allowed, Expected
from tests.conformance.fuzzing import AGENT, Outcome, case_order, read


def outcomes_as_expected(wanted: Expected) -> list[Outcome]:
    """A whole run without a difference: invented case numbers, but those that are listed."""
    listed = {entry.case: entry for entry in wanted.allowed}
    outcomes = [Outcome(case, entry.behavior, entry.close, 0.0) for case, entry in listed.items()]
    for group in wanted.group:
        already = sum(case.startswith(f"{group.number}.") for case in listed)
        outcomes += [
            Outcome(f"{group.number}.0.{number}", "OK", "OK", 0.0)
            for number in range(group.cases - already)
        ]
    return outcomes


def test_the_suite_has_301_cases_in_groups_1_to_7_9_and_10() -> None:
    wanted = expected.load()

    assert wanted.cases == 301
    assert wanted.patterns == ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]


def test_every_listed_case_is_listed_once_in_order_and_belongs_to_a_group() -> None:
    wanted = expected.load()
    listed = [entry.case for entry in wanted.allowed]

    assert listed == sorted(set(listed), key=case_order)
    assert {case_order(case)[0] for case in listed} <= {group.number for group in wanted.group}


def test_no_listed_case_is_plainly_ok() -> None:
    assert not [
        entry.case for entry in expected.load().allowed if entry.behavior == entry.close == "OK"
    ]


@pytest.mark.parametrize("grade", ["FAILED", "UNCLEAN", "WRONG CODE", "UNIMPLEMENTED"])
@pytest.mark.parametrize("column", ["behavior", "close"])
def test_a_failure_cannot_be_listed(grade: str, column: str) -> None:
    entry = {"case": "7.1.5", "behavior": "OK", "close": "OK", "reason": "because it suits us now"}

    with pytest.raises(ValidationError, match="NON-STRICT"):
        Allowed.model_validate(entry | {column: grade})


def test_a_listed_case_needs_a_reason() -> None:
    entry = {"case": "3.2", "behavior": "NON-STRICT", "close": "OK", "reason": "todo"}

    with pytest.raises(ValidationError, match="reason"):
        Allowed.model_validate(entry)


def test_the_page_agrees_with_the_allow_list() -> None:
    text = page.PAGE.read_text()

    assert page.renewed(text, expected.load()) == text, "run with --write-docs"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="markers"):
        page.renewed("# Conformance\n", expected.load())


def test_a_run_as_expected_has_no_difference() -> None:
    wanted = expected.load()

    assert expected.differences(wanted, outcomes_as_expected(wanted), whole=True) == []


@pytest.mark.parametrize(
    ("behavior", "close"),
    [("FAILED", "OK"), ("OK", "UNCLEAN"), ("OK", "WRONG CODE"), ("NON-STRICT", "OK")],
)
def test_a_case_that_is_not_ok_and_not_listed_is_a_difference(behavior: str, close: str) -> None:
    worse = Outcome("1.1.1", behavior, close, 0.0)

    (line,) = expected.differences(expected.load(), [worse], whole=False)

    assert line == f"1.1.1: {behavior}, close {close}; not on the allow-list"


@pytest.mark.parametrize(("behavior", "close"), [("FAILED", "INFORMATIONAL"), ("OK", "OK")])
def test_a_listed_case_that_is_now_worse_or_better_is_a_difference(
    behavior: str, close: str
) -> None:
    changed = Outcome("7.1.6", behavior, close, 0.0)

    (line,) = expected.differences(expected.load(), [changed], whole=False)

    assert line.startswith(f"7.1.6: {behavior}, close {close}; listed as INFORMATIONAL")


def test_a_missing_case_is_a_difference_of_a_whole_run_only() -> None:
    wanted = expected.load()
    shorter = outcomes_as_expected(wanted)[:-1]

    assert expected.differences(wanted, shorter, whole=False) == []
    assert expected.differences(wanted, shorter, whole=True) == [
        "10.*: 0 cases reported instead of 1"
    ]


def test_a_report_is_read_in_the_order_of_the_cases() -> None:
    found = {"behavior": "OK", "behaviorClose": "UNCLEAN", "duration": 1500}

    outcomes = read({AGENT: {"9.10": found, "9.2": found, "1.1.1": found}})

    assert [outcome.case for outcome in outcomes] == ["1.1.1", "9.2", "9.10"]
    assert outcomes[0] == Outcome("1.1.1", "OK", "UNCLEAN", 1.5)
    assert not outcomes[0].is_ok


def test_a_report_of_no_cases_is_read_as_none() -> None:
    assert read({}) == []
