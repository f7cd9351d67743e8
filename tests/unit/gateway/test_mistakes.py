"""What application code does wrong is said with its place and what to write instead."""

from __future__ import annotations

import asyncio
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keepline.errors import HandlerError
from keepline.gateway import mistakes
from keepline.reasons import CloseReason
from keepline.wire.messages import Stt
from tests.unit.gateway.fakes import Recorder, World, settle
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from keepline.gateway.session import Session
    from keepline.wire.messages import DeviceMessage

ABORT = '{"type":"abort"}'


async def work() -> None:
    await asyncio.sleep(0)


WRONG: list[tuple[Callable[[Any], object], str]] = [
    (lambda s: s.send("hello"), "not str; for a text of your own making there is session.send_t"),
    (lambda s: s.send(b"opus"), "not bytes; Opus frames go through session.send_audio"),
    (lambda s: s.send({"a": 1}), r"not dict; .* session.send\(Custom"),
    (lambda s: s.send(Stt), r"not a class; make one: Stt\(...\)"),
    (lambda s: s.send(None), "not None; for example session.send"),
    (lambda s: s.send_text(b"opus"), "not bytes; audio goes through"),
    (lambda s: s.send_text({"a": 1}), "not dict; dump it first"),
    (lambda s: s.send_audio("opus"), "one Opus packet as bytes, not str"),
    (lambda s: s.send_audio([1, 2]), "one Opus packet as bytes, not list"),
    (lambda s: s.spawn(work), r"call it, session.spawn\(work\(...\)\)"),
    (lambda s: s.spawn(7), "the coroutine of an async def, not int"),
    (lambda s: s.speak(b"opus"), r"speak\(\[packet\]\)"),
    (lambda s: s.speak("hello"), "not text"),
    (lambda s: s.speak(work), "given a function: call it, work"),
    (lambda s: s.speak(work()), "given a coroutine: await it"),
    (lambda s: s.speak(7), "can be iterated, not int"),
    (lambda s: s.after(-1, print), "from 0, not -1"),
    (lambda s: s.after(math.nan, print), "not nan"),
    (lambda s: s.after("1", print), "not '1'"),
    (lambda s: s.after(1, work()), "without parentheses"),
    (lambda s: s.after(1, None), "a method to call, not None"),
]


@pytest.mark.parametrize(("call", "said"), WRONG)
async def test_a_wrong_argument_is_answered_with_the_right_one(
    call: Callable[[Any], object], said: str
) -> None:
    life = World().connect()
    with pytest.raises(HandlerError, match=said):
        call(life.session)


@pytest.mark.parametrize(("name", "arguments"), [(7, None), ("volume", [5])])
async def test_a_tool_is_called_by_its_name_with_named_arguments(name: Any, arguments: Any) -> None:
    with pytest.raises(HandlerError, match="call_tool takes"):
        await World().connect().session.call_tool(name, arguments)


@pytest.mark.parametrize("frame", [bytearray(b"opus"), memoryview(b"opus")])
async def test_bytes_of_another_kind_are_a_frame_all_the_same(frame: Any) -> None:
    life = World().connect()
    life.session.send_audio(frame)
    assert life.transport.frames[-1][1] == b"opus"


async def test_what_may_be_right_is_done() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    session = World().connect().session
    session.after(0, lambda _: done.append("timer"))
    session.after(0, lambda _: done.append("cancelled")).cancel()
    session.spawn(work())
    await eventually(lambda: len(done) == 2)
    assert set(done) == {"work", "timer"}


async def packets() -> AsyncIterator[bytes]:
    yield b"opus"


@pytest.mark.parametrize(
    "parts", [[b"opus"], (b"opus",), iter([b"opus"]), (part for part in [b"opus"]), packets()]
)
async def test_whatever_gives_packets_is_spoken(parts: Any) -> None:
    life = World().connect()
    life.session.speak(parts)
    await settle()
    assert b"opus" in [payload for _, payload in life.transport.frames]
    life.loses_tcp()


# -- where ---------------------------------------------------------------------------------


class Sending(Recorder):
    def text(self, session: Session, message: DeviceMessage) -> None:
        session.send("hello")  # type: ignore[arg-type]


class Short(Recorder):
    def text(self, session: Session) -> None:  # type: ignore[override]
        """Takes no message."""


def line_with(words: str) -> int:
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if words in line)


@pytest.mark.parametrize(
    ("handler", "words"),
    [(Sending, 'session.send("hello")  #'), (Short, "def text(self, session: Session) -> None:")],
)
async def test_the_log_names_the_file_and_line_of_a_failure(
    handler: type[Recorder], words: str
) -> None:
    world = World(handler)
    world.connect().says(ABORT)
    (line,) = world.logged("handler_failed")
    assert line["at"] == f"{__file__}:{line_with(words)}"


async def test_a_place_that_nobody_knows_is_left_empty() -> None:
    assert mistakes.place_of(RuntimeError("never raised"), len) == ""


# -- what a call returns -------------------------------------------------------------------


def returning(value: object) -> type[Recorder]:
    def text(self: Recorder, session: Session, message: DeviceMessage) -> object:
        return value

    return type("Returning", (Recorder,), {"text": text})


def yielding() -> type[Recorder]:
    async def text(self: Recorder, session: Session, message: DeviceMessage) -> Any:
        yield b"opus"

    return type("Yielding", (Recorder,), {"text": text})


def returning_later(value: object) -> type[Recorder]:
    async def text(self: Recorder, session: Session, message: DeviceMessage) -> object:
        return value

    return type("ReturningLater", (Recorder,), {"text": text})


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (returning("hello"), "text returned str, which goes nowhere"),
        (returning(Stt("hello")), "text returned Stt, which goes nowhere: session.send it"),
        (returning_later(Stt("hello")), "text returned Stt, which goes nowhere: session.send it"),
        (yielding(), "text yields"),
    ],
)
async def test_a_call_that_returns_something_is_a_failure(
    handler: type[Recorder], said: str
) -> None:
    world = World(handler)
    life = world.connect()
    life.says(ABORT)
    await settle()
    (line,) = world.logged("handler_failed")
    assert said in line["error"]
    assert line["at"].startswith(__file__)
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED


async def test_what_is_spawned_may_return_what_it_likes() -> None:
    async def seven() -> int:
        return 7

    life = World().connect()
    life.session.spawn(seven())  # type: ignore[arg-type]
    await settle()
    assert life.connection.lifecycle.reason is None


# -- what nobody awaited -------------------------------------------------------------------


@pytest.mark.filterwarnings("always")
async def test_a_coroutine_that_nobody_awaited_is_logged_with_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others: list[object] = []
    monkeypatch.setattr(warnings, "showwarning", lambda *given: others.append(given[0]))
    world = World()
    mistakes.report_unawaited(asyncio.get_running_loop(), world.node.log)
    work()  # type: ignore[unused-coroutine]
    warnings.warn("something else", stacklevel=1)
    await settle()
    (line,) = world.logged("never_awaited")
    assert line["at"] == f"{__file__}:{line_with('work()  # type')}"
    assert "'work' was never awaited: write await" in line["detail"]
    assert [str(other) for other in others] == ["something else"]
