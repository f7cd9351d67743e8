"""Handler classes that could never work, told before any device comes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import pytest

from keepline.errors import StartError
from keepline.gateway.handler import Handler
from keepline.gateway.handler_check import CALLS, check_handler
from keepline.handlers.echo import Echo
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import Recorder, Slow, World

if TYPE_CHECKING:
    from keepline.gateway.session import Session


def refused(handler: type[Any]) -> StartError:
    with pytest.raises(StartError) as failure:
        check_handler(handler)
    return failure.value


def is_let_through(handler: type[Any]) -> bool:
    try:
        check_handler(handler)
    except StartError:
        return False
    return True


def made(base: type[Any] = Handler, /, **attributes: object) -> type[Any]:
    return type("Mine", (base,), attributes)


@pytest.mark.parametrize("handler", [Handler, Echo, Recorder, Slow])
def test_what_works_is_let_through(handler: type[Any]) -> None:
    assert is_let_through(handler)


def test_every_call_of_the_contract_is_known() -> None:
    assert CALLS["text"] == ("session", "message")
    assert CALLS["snapshot"] == ()
    assert len(CALLS) == 10


@pytest.mark.parametrize(
    ("name", "function", "written"),
    [
        ("text", lambda self, message: None, "write def text(self, session, message)"),
        ("opened", lambda self: None, "write def opened(self, session)"),
        ("closed", lambda self, session, reason, why: None, "def closed(self, session, reason)"),
        ("idle", staticmethod(lambda: None), "write def idle(self, session)"),
    ],
)
def test_a_wrong_signature_is_told_with_its_line_and_the_right_one(
    name: str, function: Any, written: str
) -> None:
    error = refused(made(**{name: function}))
    assert error.problem.startswith(f"Mine.{name} cannot be called as {name}(session")
    assert written in error.hint
    assert f"({__file__}, line " in error.hint


@pytest.mark.parametrize(
    "function",
    [
        lambda self, *given: given[0].close(),
        lambda self, session, message, more=1: session.close(),
        lambda *given, **named: given[1].close(),
        staticmethod(lambda session, message: session.close()),
    ],
)
async def test_every_signature_that_can_be_called_will_do(function: Any) -> None:
    handler = made(text=function)
    assert is_let_through(handler)
    life = World(handler).connect()
    life.says('{"type":"abort"}')
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_CLOSED


async def _coroutine(self: Any, session: Any) -> None: ...


async def _async_generator(self: Any, session: Any) -> Any:
    yield


def _generator(self: Any, session: Any) -> Any:
    yield


@pytest.mark.parametrize("function", [_async_generator, _generator])
def test_a_call_that_yields_would_run_nothing(function: Any) -> None:
    error = refused(made(opened=function))
    assert error.problem == "Mine.opened yields, so calling it runs nothing"
    assert "session.speak" in error.hint


def test_a_threaded_handler_has_no_async_calls() -> None:
    assert is_let_through(made(opened=_coroutine))
    error = refused(made(opened=_coroutine, threaded=True))
    assert error.problem == "Mine.opened is async, and the handler is threaded"


@pytest.mark.parametrize("value", ["hello", None, 7])
def test_a_call_s_name_belongs_to_a_method(value: object) -> None:
    assert "must be a method" in refused(made(text=value)).problem


# -- names ---------------------------------------------------------------------------------


def _given_session(self: Any, session: Session) -> None: ...


def _given_less(self: Any) -> None: ...


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("on_text", "text(self, session, message)"),
        ("on_opened", "opened(self, session)"),
        ("onAudio", "audio(self, session, frame)"),
        ("on_message", "text(self, session, message)"),
        ("open", "opened(self, session)"),
        ("close", "closed(self, session, reason)"),
        ("opend", "opened(self, session)"),
        ("drained", "draining(self, session)"),
    ],
)
def test_a_call_by_a_wrong_name_is_told_the_right_one(name: str, meant: str) -> None:
    error = refused(made(**{name: _given_session}))
    assert error.problem == f"Mine.{name} is never called"
    assert f"did you mean {meant}?" in error.hint
    assert f"better named _{name}" in error.hint
    assert __file__ in error.hint


@pytest.mark.parametrize(
    "attributes",
    [
        {"open": _given_less},  # it is not given a session: a helper
        {"_on_text": _given_session},
        {"options": _given_session},
        {"ring": _given_session},
        {"open": 7},
        {"open": _given_session, "opened": lambda self, session: None},
    ],
)
def test_a_helper_is_no_mistake(attributes: dict[str, object]) -> None:
    assert is_let_through(made(**attributes))


def test_what_the_class_itself_calls_is_a_helper() -> None:
    class Mine(Handler):
        def text(self, session: Session, message: object) -> None:
            self.open(session)

        def open(self, session: Session) -> None: ...

    assert is_let_through(Mine)


def test_a_wrong_name_in_a_base_class_is_found_too() -> None:
    assert "on_text" in refused(made(made(on_text=_given_session))).problem


# -- making it -----------------------------------------------------------------------------


def test_a_handler_is_made_without_arguments() -> None:
    class Mine(Handler):
        def __init__(self, voice: str) -> None: ...

    error = refused(Mine)
    assert error.problem == "Mine cannot be made without arguments"
    assert __file__ in error.hint
    assert is_let_through(made(__init__=lambda self, voice="x": None))


def test_an_abstract_handler_says_what_is_missing() -> None:
    class Mine(Handler, ABC):
        @abstractmethod
        def answer(self) -> None: ...

    error = refused(Mine)
    assert (error.problem, error.hint) == ("Mine is abstract", "write answer")


@pytest.mark.parametrize(
    ("there", "missing", "function"),
    [
        ("snapshot", "restore(self, state)", lambda self: None),
        ("restore", "snapshot(self)", lambda self, state: None),
    ],
)
def test_a_state_is_both_left_and_taken(there: str, missing: str, function: Any) -> None:
    error = refused(made(**{there: function}))
    assert error.problem == f"Mine has {there} alone"
    assert f"write {missing}, too" in error.hint
