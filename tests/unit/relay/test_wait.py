"""A device's wait for an upstream."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace
from typing import Any, cast

from keepline.gateway.backlog import Put
from keepline.relay.wait import LAST_RETRY_S, Wait
from keepline.settings.session import Inbox


def waiting(**options: float) -> Wait:
    session = SimpleNamespace(connection=SimpleNamespace(transport=None))
    return Wait(cast("Any", session), cast("Any", None), **options)


def test_nothing_is_kept_until_something_is_said() -> None:
    wait = waiting()
    assert wait.backlog is None
    assert not wait.is_urgent
    assert wait.keep("text", Inbox()) is Put.KEPT
    assert wait.is_urgent


def test_old_audio_goes_and_messages_stay_in_order() -> None:
    wait, limits = waiting(), Inbox(audio_frames=2, control_messages=2)
    for message in ("1", b"2", b"3"):
        assert wait.keep(message, limits) is Put.KEPT
    assert wait.keep(b"4", limits) is Put.DROPPED_AUDIO
    assert wait.keep("5", limits) is Put.KEPT
    assert wait.keep("6", limits) is Put.OVERFLOW
    assert wait.backlog is not None
    assert [wait.backlog.take() for _ in range(5)] == ["1", b"3", b"4", "5", None]


def test_pauses_double_up_to_their_longest() -> None:
    wait = waiting()
    pauses = []
    for wait.tries in range(12):
        pauses.append(wait.retry_s())
    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert pauses[-1] == LAST_RETRY_S


def test_who_has_something_to_say_is_never_kept_waiting_long() -> None:
    wait = waiting()
    wait.tries = 40
    wait.keep("text", Inbox())
    assert wait.retry_s() == 1.0


def test_it_is_due_for_whichever_comes_first() -> None:
    assert waiting().due() == inf
    assert waiting(dial_at=2.0, late_at=3.0).due() == 2.0
    assert waiting(dial_at=5.0, late_at=3.0).due() == 3.0
    wait = waiting(dial_at=5.0, late_at=3.0)
    wait.stop()
    assert wait.due() == inf
