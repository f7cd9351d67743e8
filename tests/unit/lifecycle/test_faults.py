from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import pytest

from keepline.errors import (
    BudgetError,
    FloodError,
    HandlerError,
    HandlerTimeoutError,
    HubDownError,
    InvalidDataError,
    ReplacedError,
    SessionEndedError,
    ToolTimeoutError,
)
from keepline.lifecycle.faults import TABLE, Action, Fault, Source, strategy_of
from keepline.reasons import CloseReason

R = CloseReason

LOST = (R.NETWORK_LOST, R.HANDLER_FAILED, R.INTERNAL_ERROR)

# What is raised, its class, and what it ends a connection with: from a socket, a handler, us.
EACH = [
    (MemoryError(), Fault.MEMORY, (R.OUT_OF_MEMORY, R.OUT_OF_MEMORY, R.OUT_OF_MEMORY)),
    (OSError(errno.ENOMEM, "?"), Fault.MEMORY, (R.OUT_OF_MEMORY,) * 3),
    (OSError(errno.ENOBUFS, "?"), Fault.MEMORY, (R.OUT_OF_MEMORY,) * 3),
    (InvalidDataError("?"), Fault.PROTOCOL, (R.INVALID_DATA, R.HANDLER_FAILED, R.INVALID_DATA)),
    (FloodError("?"), Fault.PROTOCOL, (R.FLOODING, R.HANDLER_FAILED, R.FLOODING)),
    (HandlerError("?"), Fault.HANDLER, (R.HANDLER_FAILED,) * 3),
    (HandlerTimeoutError("?"), Fault.HANDLER, (R.HANDLER_TIMEOUT,) * 3),
    (BudgetError("?"), Fault.HANDLER, (R.HANDLER_OVER_BUDGET,) * 3),
    (ToolTimeoutError("?"), Fault.HANDLER, (R.HANDLER_FAILED,) * 3),
    (HubDownError("?"), Fault.HUB, (R.INTERNAL_ERROR, R.HANDLER_FAILED, R.INTERNAL_ERROR)),
    (ReplacedError("?"), Fault.HUB, (R.REPLACED,) * 3),
    (ConnectionResetError(), Fault.RESET, (R.DEVICE_RESET, R.HANDLER_FAILED, R.INTERNAL_ERROR)),
    (BrokenPipeError(), Fault.RESET, (R.DEVICE_RESET, R.HANDLER_FAILED, R.INTERNAL_ERROR)),
    (TimeoutError(), Fault.TIMEOUT, (R.NETWORK_TIMEOUT, R.HANDLER_FAILED, R.INTERNAL_ERROR)),
    (SessionEndedError("?"), Fault.CLOSED, (R.HANDLER_FAILED, R.HANDLER_FAILED, R.INTERNAL_ERROR)),
    (ConnectionError(), Fault.CLOSED, LOST),
    (EOFError(), Fault.CLOSED, LOST),
    (OSError(errno.EHOSTUNREACH, "?"), Fault.OS, LOST),
    (ssl.SSLError("?"), Fault.OS, LOST),
    (KeyError(), Fault.UNKNOWN, (R.INTERNAL_ERROR, R.HANDLER_FAILED, R.INTERNAL_ERROR)),
    (SystemExit(), Fault.UNKNOWN, (R.INTERNAL_ERROR, R.HANDLER_FAILED, R.INTERNAL_ERROR)),
]


@pytest.mark.parametrize(("error", "fault", "reasons"), EACH)
def test_each_class_ends_a_connection_with_its_own_reason(
    error: BaseException, fault: Fault, reasons: tuple[CloseReason, ...]
) -> None:
    strategy = strategy_of(error)
    assert strategy.fault is fault
    assert tuple(strategy.reason(error, source) for source in Source) == reasons


def test_every_class_is_there_and_the_last_row_fits_all() -> None:
    assert {row.fault for row in TABLE} == set(Fault)
    assert TABLE[-1].types == (BaseException,)


def test_no_row_is_hidden_by_one_before_it() -> None:
    for place, row in enumerate(TABLE):
        before = tuple(kind for each in TABLE[:place] for kind in each.types)
        assert not [kind for kind in row.types if before and issubclass(kind, before)]


def test_an_os_error_does_not_hide_what_is_one() -> None:
    """On Python 3.11 a timeout of asyncio, of a socket and the builtin are one, and an OSError."""
    assert issubclass(TimeoutError, OSError)
    for timeout in (TimeoutError(), asyncio.TimeoutError(), socket.timeout()):  # noqa: UP041
        assert strategy_of(timeout).fault is Fault.TIMEOUT
    assert strategy_of(ConnectionResetError(errno.ECONNRESET, "?")).fault is Fault.RESET


def test_a_plain_os_error_is_told_by_its_number() -> None:
    class OddError(OSError):
        """Python makes a subclass of its own for the usual numbers, but not of this."""

    for number, fault in (
        (errno.ECONNRESET, Fault.RESET),
        (errno.ETIMEDOUT, Fault.TIMEOUT),
        (errno.ENOMEM, Fault.MEMORY),
        (errno.EBADF, Fault.OS),
    ):
        assert strategy_of(OddError(number, "?")).fault is fault


def test_a_class_is_never_told_by_the_name_of_its_type() -> None:
    class ConnectionResetMemoryTimeoutError(Exception):
        pass

    assert strategy_of(ConnectionResetMemoryTimeoutError()).fault is Fault.UNKNOWN


def test_only_a_lack_of_memory_has_something_given_up() -> None:
    assert {row.fault for row in TABLE if row.action is Action.RELEASE} == {Fault.MEMORY}


def test_a_takeover_is_no_fault_and_is_not_counted() -> None:
    assert not strategy_of(ReplacedError("?")).counted
    assert all(row.counted for row in TABLE if row.types != (ReplacedError,))
