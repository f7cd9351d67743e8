"""What a relay reads of what is said."""

from __future__ import annotations

import json

import pytest

from keepline.relay.words import listening, read_hello, speaking, with_session_id

START = '{"type":"listen","state":"start","mode":"auto"}'


def test_a_hello_is_told_from_every_other_message() -> None:
    hello = read_hello('{"type": "hello", "transport": "websocket", "session_id": "s"}')
    assert hello is not None
    assert hello.session_id == "s"
    for other in ('{"type":"stt","text":"hello"}', '{"hello"}', "", '"hello"', '{"type":"helo"}'):
        assert read_hello(other) is None


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('{"session_id":"a","type":"x"}', '{"session_id":"b","type":"x"}'),
        ('{"type": "x", "session_id" : "a"}', '{"type": "x", "session_id" : "b"}'),
        ('{"session_id":"c","text":"a"}', '{"session_id":"c","text":"a"}'),
        ('{"text":"a"}', '{"text":"a"}'),
        ('{"session_id":"a\\"","x":1}', '{"session_id":"a\\"","x":1}'),
    ],
)
def test_only_the_one_session_id_is_exchanged(text: str, after: str) -> None:
    assert with_session_id(text, "a", "b") == after


@pytest.mark.parametrize("after", [r"\1\g<2>", 'a"b', "\n", '","type":"tts', "☃"])
def test_an_id_is_taken_word_for_word_whatever_it_looks_like(after: str) -> None:
    message = with_session_id('{"session_id":"x","n":1}', "x", after)
    assert json.loads(message) == {"session_id": after, "n": 1}


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ('{"type":"tts","state":"start"}', False, True),
        ('{"type":"tts","state":"sentence_start","text":"hi"}', True, True),
        ('{"type":"tts","state":"sentence_start","text":"hi"}', False, False),
        ('{"type":"tts","state":"stop"}', True, False),
        ('{"type":"stt","text":"stop"}', True, True),
        ('{"type":"llm","emotion":"happy"}', False, False),
    ],
)
def test_a_device_speaks_between_start_and_stop(text: str, *, before: bool, after: bool) -> None:
    assert speaking(text, before=before) is after


def test_a_listen_start_holds_until_its_stop() -> None:
    assert listening(START, None) == START
    assert listening('{"type":"listen","state":"detect","text":"hi"}', START) == START
    assert listening('{"type":"abort"}', START) == START
    assert listening('{"type":"listen","state":"stop"}', START) is None
    assert listening('{"type":"abort"}', None) is None
