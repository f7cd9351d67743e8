"""The exception tree: whose fault, and how the connection ends."""

from __future__ import annotations

import pytest

from keepline import errors
from keepline.errors import (
    FloodError,
    HandlerError,
    HelloError,
    IllegalTransitionError,
    InvalidDataError,
    KeeplineError,
    OurError,
    PeerError,
    ProtocolError,
    RefusedError,
    SettingsError,
    StartError,
    TooBigError,
)
from keepline.reasons import CloseReason


def all_errors() -> set[type[KeeplineError]]:
    found = {thing for thing in vars(errors).values() if isinstance(thing, type)}
    return {error for error in found if issubclass(error, KeeplineError)}


def test_every_error_is_the_peers_fault_or_ours() -> None:
    for error in all_errors() - {KeeplineError}:
        assert issubclass(error, PeerError) is not issubclass(error, OurError)


def test_the_docstring_draws_every_error() -> None:
    assert errors.__doc__ is not None
    for error in all_errors():
        assert error.__name__ in errors.__doc__


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ProtocolError, CloseReason.PROTOCOL_ERROR),
        (InvalidDataError, CloseReason.INVALID_DATA),
        (TooBigError, CloseReason.MESSAGE_TOO_BIG),
        (FloodError, CloseReason.FLOODING),
        (RefusedError, CloseReason.BAD_REQUEST),
        (HelloError, CloseReason.HELLO_INVALID),
    ],
)
def test_a_peers_fault_has_a_reason_of_its_kind(
    error: type[PeerError], reason: CloseReason
) -> None:
    raised = error("what was wrong")
    assert raised.reason is reason
    assert raised.detail == str(raised) == "what was wrong"


def test_a_peers_fault_may_bring_another_reason() -> None:
    error = FloodError("too many messages waiting", CloseReason.INBOX_OVERFLOW)
    assert error.reason is CloseReason.INBOX_OVERFLOW


def test_a_refusal_has_an_http_status_and_may_say_when_to_come_back() -> None:
    error = RefusedError("no room", CloseReason.FULL, retry_after_s=10)
    assert error.reason.status == 503
    assert error.retry_after_s == 10
    assert RefusedError("what?").retry_after_s is None


def test_a_reason_without_a_status_is_no_refusal() -> None:
    with pytest.raises(AssertionError, match="HTTP"):
        RefusedError("no", CloseReason.KICKED)


def test_our_faults_close_with_1011() -> None:
    for error in (HandlerError("x"), IllegalTransitionError("x")):
        assert error.reason.code == 1011


def test_a_start_error_says_what_to_do_next() -> None:
    error = SettingsError("server.port is 70000", "it must be between 0 and 65535")
    assert isinstance(error, StartError)
    assert str(error) == "server.port is 70000\n  it must be between 0 and 65535"
    assert str(StartError("no hint", "")) == "no hint"
