"""The process before this one, as its heir speaks to it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from io import StringIO

import pytest
import pytest_asyncio

from keepline.app import elder as elders
from keepline.app import line
from keepline.app.elder import MOST_ASKED, Elder
from keepline.app.line import Line, Message
from keepline.app.parts import in_parts
from keepline.clock import ManualClock
from keepline.errors import NoAnswerError, StartError
from keepline.log import Log
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="packets with descriptors: Linux")


class Both:
    """An heir's elder, and the elder itself as far as it hears."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        loop = asyncio.get_running_loop()
        self.asked: list[Message] = []
        self.gone = 0
        self.lines = StringIO()
        self.itself = Line(theirs, loop, lambda _, message: self.asked.append(message), _nothing)
        log = Log(self.lines, ManualClock(), level="info", style="json", fold_per_s=1_000)
        self.elder = Elder(ours, "local-1", loop=loop, log=log, on_gone=self._on_gone)

    def _on_gone(self) -> None:
        self.gone += 1

    def answer_all(self) -> None:
        for each in self.asked:
            self.itself.say({"told": "given_up", "number": each["number"]})
        self.asked.clear()


def _nothing(_line: Line) -> None:
    pass


@pytest_asyncio.fixture
async def both() -> AsyncIterator[Both]:
    both = Both()
    yield both
    both.elder.close()
    both.itself.close()


async def test_a_device_is_given_up_once_the_elder_says_so(both: Both) -> None:
    waiting = [asyncio.ensure_future(both.elder.give_up(f"device-{n}")) for n in range(3)]
    await eventually(lambda: len(both.asked) == 3)
    assert [each["device"] for each in both.asked] == ["device-0", "device-1", "device-2"]
    both.itself.say({"told": "given_up", "number": both.asked[1]["number"]})
    await waiting[1]
    assert not waiting[0].done()
    both.answer_all()
    await asyncio.gather(*waiting)


async def test_only_so_many_are_asked_for_at_once(both: Both) -> None:
    waiting = [asyncio.ensure_future(both.elder.give_up(f"d-{n}")) for n in range(MOST_ASKED + 9)]
    await eventually(lambda: len(both.asked) == MOST_ASKED)
    both.answer_all()
    await eventually(lambda: len(both.asked) == 9)
    both.answer_all()
    await asyncio.gather(*waiting)


async def test_an_elder_that_does_not_answer_holds_no_device_up_for_ever(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elders, "GIVE_UP_S", 0.02)
    await both.elder.give_up("device")
    assert "elder_too_slow" in both.lines.getvalue()


async def test_who_waits_for_an_elder_that_ends_waits_no_longer(both: Both) -> None:
    waiting = asyncio.ensure_future(both.elder.give_up("device"))
    taking = asyncio.ensure_future(both.elder.take_over())
    await eventually(lambda: len(both.asked) == 2)
    both.itself.close()
    await asyncio.gather(waiting, taking)
    assert (both.gone, both.elder.is_here) == (1, False)
    await both.elder.give_up("another")
    await both.elder.take_over()


async def test_to_take_over_is_to_be_told_so(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elders, "TAKE_OVER_S", 0.02)
    with pytest.raises(StartError, match="does not answer any more"):
        await both.elder.take_over()


async def test_an_elder_that_answers_too_late_goes_on_and_hands_nothing_over(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elders, "TAKE_OVER_S", 0.02)
    with pytest.raises(StartError):
        await both.elder.take_over()
    assert not both.itself.say({"told": "yours"})


async def test_a_revocation_is_told(both: Both) -> None:
    both.elder.revoke("device")
    await eventually(lambda: both.asked == [{"ask": "revoke", "device": "device"}])


async def test_an_operators_question_is_answered_in_as_many_parts_as_it_takes(both: Both) -> None:
    asking = asyncio.ensure_future(both.elder.ask({"what": "device", "device": "é" * 5_000}))
    await eventually(lambda: bool(both.asked) and not both.asked[-1]["more"])
    asked = "".join(each["part"] for each in both.asked)
    assert json.loads(asked) == {"what": "device", "device": "é" * 5_000}
    for part in in_parts({"found": "x" * 20_000}):
        both.itself.say({"told": "answer", "number": both.asked[0]["number"], **part})
    assert await asking == {"found": "x" * 20_000}


async def test_an_elder_of_a_version_that_answers_no_operators_is_told_as_that(both: Both) -> None:
    asking = asyncio.ensure_future(both.elder.ask({"what": "kick", "device": "device"}))
    await eventually(lambda: len(both.asked) == 1)
    both.itself.say({"told": "failed", "why": "this is not understood", "hint": ""})
    with pytest.raises(NoAnswerError, match="cannot be asked"):
        await asking


async def test_an_operator_waits_for_no_elder_for_ever(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elders, "ANSWER_S", 0.02)
    with pytest.raises(NoAnswerError, match="has not answered"):
        await both.elder.ask({"what": "sessions"})


async def test_an_elder_that_has_gone_has_nothing_to_say(both: Both) -> None:
    asking = asyncio.ensure_future(both.elder.ask({"what": "sessions"}))
    await eventually(lambda: len(both.asked) == 1)
    both.itself.close()
    assert await asking is None
    assert await both.elder.ask({"what": "sessions"}) is None
