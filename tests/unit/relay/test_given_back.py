"""A relayed session that is idle has given back all that talk has needed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from unittest import mock

import pytest

from keepline.lifecycle.states import State
from keepline.wire.frames import Opcode, encode_masked
from tests.unit.gateway.belongings import Everybodys
from tests.unit.gateway.fakes import KEY, settle
from tests.unit.relay.voices import Relayed

AUDIO = bytes(120)
IDLE_AFTER_S = 3.0


@pytest.fixture(autouse=True)
def _no_patch_outlives_its_test() -> Iterator[None]:
    yield
    mock.patch.stopall()


async def test_a_relayed_session_that_is_idle_has_no_more_than_one_that_never_talked() -> None:
    world = Relayed(session={"idle_after_s": IDLE_AFTER_S}, heartbeat={"interval_s": 55}, tuning={})
    everybodys = Everybodys(world)
    silent = world.come("device-1")
    world.succeed(greet="up-1")
    busy = world.come("device-2")
    connection = busy.connection

    busy.says('{"type":"listen","state":"start","session_id":"up-2"}')
    for _ in range(20):
        busy.streams(AUDIO)  # for an upstream that is not there yet
    kinds, _ = everybodys.belongings(busy.session)
    assert {"Wait", "Backlog"} <= kinds.keys()
    voice = world.succeed(greet="up-2")
    text = b'{"type":"custom","payload":{"text":"in pieces"}}'
    connection.data_received(encode_masked(Opcode.TEXT, text[:20], KEY, fin=False))
    connection.data_received(encode_masked(Opcode.CONTINUATION, text[20:], KEY))
    busy.says('{"type":"listen","state":"stop","session_id":"up-2"}')
    voice.says('{"type":"tts","state":"start"}')
    busy.transport.buffered_bytes = 100_000
    connection.pause_writing()
    for _ in range(20):
        voice.says(AUDIO)
    assert connection.outbox is not None
    busy.transport.buffered_bytes = 0
    connection.resume_writing()
    voice.says('{"type":"tts","state":"stop"}')
    await settle()

    world.pass_time(IDLE_AFTER_S + 1.0)
    world.node.each_second()
    assert [life.connection.lifecycle.state for life in (silent, busy)] == [State.IDLE] * 2
    gc.collect()
    assert everybodys.belongings(busy.session) == everybodys.belongings(silent.session)
