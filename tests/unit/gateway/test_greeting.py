from __future__ import annotations

import asyncio

import pytest

from keepline.errors import HelloError
from keepline.gateway.greeting import CACHED_CHARACTERS, EARLY_LIMIT, Greeting, HelloCache
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World, settle

HELLO = '{"type":"hello","version":1,"transport":"websocket"}'


def greeting() -> Greeting:
    return Greeting(HelloCache(), asyncio.get_running_loop())


async def test_the_first_text_is_the_hello() -> None:
    waiting = greeting()
    waiting.receive_text(HELLO)
    assert (await waiting.hello()).version == 1


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "not json",
        '{"type":"listen","state":"start"}',
        "",
        '{"type":"hello","version":4}',
        '{"type":"hello","audio_params":{"sample_rate":0}}',
    ],
)
async def test_a_first_text_that_is_no_hello_is_an_error(text: str) -> None:
    waiting = greeting()
    waiting.receive_text(text)
    with pytest.raises(HelloError):
        await waiting.hello()


async def test_audio_before_the_hello_is_an_error() -> None:
    waiting = greeting()
    waiting.receive_binary(b"opus")
    with pytest.raises(HelloError):
        await waiting.hello()


async def test_a_device_that_leaves_while_it_is_waited_for_is_a_connection_error() -> None:
    waiting = greeting()
    waiting.end(CloseReason.DEVICE_CLOSED)
    with pytest.raises(ConnectionResetError):
        await waiting.hello()


async def test_leaving_after_the_hello_changes_nothing() -> None:
    waiting = greeting()
    waiting.receive_text(HELLO)
    waiting.end(CloseReason.DEVICE_CLOSED)
    assert (await waiting.hello()).version == 1


async def test_what_comes_behind_the_hello_reaches_the_session_in_order() -> None:
    world, waiting = World(), greeting()
    waiting.receive_text(HELLO)
    waiting.receive_binary(b"one")
    waiting.receive_text('{"type":"abort"}')
    waiting.receive_binary(b"two")
    life = world.connect()
    waiting.pass_on(life.session)
    assert life.handler.names == ["opened", "audio", "text", "audio"]
    assert [what for name, what in life.handler.calls if name == "audio"] == [b"one", b"two"]


async def test_more_than_a_few_messages_behind_the_hello_end_the_session() -> None:
    world, waiting = World(), greeting()
    waiting.receive_text(HELLO)
    for _ in range(EARLY_LIMIT + 1):
        waiting.receive_binary(b"x")
    life = world.connect()
    waiting.pass_on(life.session)
    await settle()
    assert life.connection.lifecycle.reason is CloseReason.INBOX_OVERFLOW


async def test_a_session_that_is_ending_hears_nothing_of_it() -> None:
    world, waiting = World(), greeting()
    waiting.receive_text(HELLO)
    waiting.receive_text('{"type":"listen","state":"start"}')
    life = world.connect()
    life.session.close()
    waiting.pass_on(life.session)
    assert life.handler.names == ["opened"]


def test_devices_that_say_the_same_words_share_one_hello() -> None:
    cache = HelloCache()
    assert cache.read(HELLO) is cache.read(HELLO)
    assert cache.read('{"type":"hello","version":3}').version == 3


def test_odd_hellos_cannot_fill_the_memory() -> None:
    cache = HelloCache(limit=2)
    for number in range(100):
        features = cache.read(f'{{"type":"hello","features":{{"n":{number}}}}}').features
        assert features == {"n": number}
    assert len(cache._by_text) == 2


def test_a_hello_is_remembered_up_to_a_length() -> None:
    for length, remembered in ((CACHED_CHARACTERS, 1), (CACHED_CHARACTERS + 1, 0)):
        cache = HelloCache()
        cache.read(HELLO + " " * (length - len(HELLO)))
        assert len(cache._by_text) == remembered


def test_a_browser_s_hello_with_its_token_is_not_remembered() -> None:
    cache = HelloCache()
    assert cache.read('{"type":"hello","device_id":"a","token":"secret"}').device_id == "a"
    assert not cache._by_text


def test_what_is_no_hello_is_never_remembered() -> None:
    cache = HelloCache()
    with pytest.raises(HelloError):
        cache.read("nonsense")
    assert not cache._by_text
