"""The closed list of reasons."""

from __future__ import annotations

import pytest

from keepline.reasons import Advice, CloseReason, Initiator


def test_every_cause_has_a_name_of_its_own() -> None:
    causes = [reason.cause for reason in CloseReason]
    assert len(set(causes)) == len(causes) == len(CloseReason.__members__)


@pytest.mark.parametrize("reason", CloseReason)
def test_a_cause_is_named_like_its_member_and_fits_a_close_frame(reason: CloseReason) -> None:
    assert reason.cause == reason.name.lower()
    assert len(reason.cause.encode()) <= 123


@pytest.mark.parametrize("reason", CloseReason)
def test_a_close_code_may_be_sent_by_an_endpoint(reason: CloseReason) -> None:
    # RFC 6455 §7.4: 1005, 1006 and 1015 never stand in a frame; 4000 to 4999 are ours.
    if reason.code is not None:
        assert reason.code in {*range(1000, 1004), *range(1007, 1015), *range(4000, 5000)}


@pytest.mark.parametrize("reason", CloseReason)
def test_a_reason_is_told_in_http_or_in_a_close_frame_but_not_in_both(reason: CloseReason) -> None:
    assert reason.code is None or reason.status is None


# There is no HTTP and no WebSocket yet to say anything in.
UNTELLABLE = {CloseReason.TLS_FAILED, CloseReason.PROXY_HEADER_INVALID}


# Whoever else ends a connection cannot be told anything by it.
TELLING = {Initiator.US, Initiator.OPERATOR, Initiator.UPSTREAM}


def test_what_the_device_or_the_network_ended_is_told_to_nobody() -> None:
    for reason in set(CloseReason) - UNTELLABLE:
        told = reason.code is not None or reason.status is not None
        assert told is (reason.initiator in TELLING)


def test_the_seeds_heartbeat_timeout_is_1001() -> None:
    assert CloseReason.HEARTBEAT_TIMEOUT.code == 1001
    assert CloseReason.HEARTBEAT_TIMEOUT.cause == "heartbeat_timeout"


def test_refusals_have_the_statuses_that_firmware_and_balancers_understand() -> None:
    statuses = {reason.cause: reason.status for reason in CloseReason if reason.status}
    assert statuses["unauthorized"] == 401
    assert statuses["forbidden"] == 403
    assert statuses["full"] == statuses["draining"] == 503
    assert all(status == 200 or 400 <= status < 600 for status in statuses.values())


@pytest.mark.parametrize("reason", CloseReason)
def test_whoever_is_told_an_ending_is_told_what_to_make_of_it(reason: CloseReason) -> None:
    told = reason.code is not None or reason.status not in {None, 200}
    assert (reason.advice is not None) == told


def test_one_close_code_gives_one_advice() -> None:
    """A device may not read the cause: the code alone has to say whether to come back."""
    advice: dict[int, set[Advice | None]] = {}
    for reason in CloseReason:
        if reason.code is not None:
            advice.setdefault(reason.code, set()).add(reason.advice)
    assert {code: given for code, given in advice.items() if len(given) > 1} == {}
