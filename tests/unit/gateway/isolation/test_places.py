from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator

from keepline.gateway.isolation import places
from keepline.gateway.isolation.places import (
    caller_in,
    fence_codes,
    inward,
    kind_of,
    name_of,
    place_in,
    place_of_task,
    place_of_thread,
    stack_in,
)
from tests.unit.gateway.fakes import Recorder


def line_of(function: object, offset: int) -> str:
    code = function.__code__  # type: ignore[attr-defined]
    return f"{code.co_filename}:{code.co_firstlineno + offset}"


async def sleeps() -> None:
    await asyncio.sleep(3_600)


async def yields() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 1


async def iterates() -> None:
    async for _ in yields():
        pass


async def where(work: object) -> str:
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    await asyncio.sleep(0)
    place = place_of_task(task)
    task.cancel()
    return str(place)


async def test_a_task_is_where_the_application_s_code_waits_not_where_the_library_does() -> None:
    assert await where(sleeps()) == line_of(sleeps, 1)


async def test_a_task_is_followed_into_what_it_iterates() -> None:
    assert await where(iterates()) in {line_of(yields, 1), line_of(iterates, 1)}


async def test_a_task_that_has_ended_is_nowhere() -> None:
    task = asyncio.ensure_future(asyncio.sleep(0))
    await task
    assert place_of_task(task) == ""


def test_a_thread_is_where_it_waits_and_nowhere_once_it_has_gone() -> None:
    go, ready = threading.Event(), threading.Event()

    def waits() -> None:
        ready.set()
        go.wait()

    thread = threading.Thread(target=waits)
    thread.start()
    ready.wait()
    place = place_of_thread(thread.ident)
    go.set()
    thread.join()
    assert place.startswith(f"{__file__}:")
    assert place_of_thread(thread.ident) == ""
    assert place_of_thread(None) == ""


def test_a_call_is_found_in_a_stack_with_its_session() -> None:
    codes = fence_codes(where)  # which is not on the stack
    seen: list[object] = []

    def looks(session: object, method: object) -> None:
        frame = sys._getframe()
        seen.append(caller_in(frame, fence_codes(looks)))
        seen.append(caller_in(frame, codes))
        seen.append(stack_in(frame, fence_codes(outer)))

    def outer() -> None:
        looks("the session", "the method")

    outer()
    assert seen[0] == ("the session", "the method")
    assert seen[1] is None
    assert str(seen[2]).count(" < ") == 0
    assert "looks" in str(seen[2])


def test_a_stack_is_shown_as_far_as_it_helps() -> None:
    def deep(levels: int) -> str:
        return deep(levels - 1) if levels else stack_in(sys._getframe(), frozenset())

    assert deep(30).count(" < ") == places.SHOWN - 1


def test_without_application_code_the_innermost_frame_is_the_place() -> None:
    assert place_in(iter(())) == ""
    frames = [each for each in inward(sys._getframe()) if "_pytest" in each.f_code.co_filename]
    assert place_in(iter(frames)).startswith(frames[0].f_code.co_filename)


def test_names_say_class_and_module() -> None:
    assert kind_of(Recorder) == "tests.unit.gateway.fakes.Recorder"
    assert kind_of(Recorder()) == "tests.unit.gateway.fakes.Recorder"
    assert name_of(Recorder.text) == "Recorder.text"
