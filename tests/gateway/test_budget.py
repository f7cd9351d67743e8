"""Over real sockets: one device floods with small messages, and twenty others talk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from keepline.reasons import CloseReason
from tests.gateway.peers import heard, live, talk, text
from tests.waiting import eventually

Start = Callable[..., Any]
GOOD, QUESTIONS = 20, 10
LIMIT = 100
FLOOD = 3 * LIMIT
SMALL = text('{"type":"custom","payload":0}')


async def test_twenty_good_devices_are_answered_while_a_flooder_waits_and_it_loses_nothing(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(wire={"messages_per_s": LIMIT})
    async with AsyncExitStack() as inside:
        good = [
            await inside.enter_async_context(talk(gateway.port, f"good-{number}"))
            for number in range(GOOD)
        ]
        greedy = await inside.enter_async_context(live(gateway.port, "greedy"))
        await greedy.send(SMALL * FLOOD)
        await eventually(lambda: len(gateway.node.turns) == 1)
        for number in range(QUESTIONS):
            for device in good:
                await device.send(f'{{"type":"custom","payload":{number}}}')
            for device in good:
                assert (await heard(device))["payload"] == number
        assert len(gateway.node.turns.budget._watched) <= 1  # the flooder, or nobody any more
        await eventually(
            lambda: gateway.counters.messages_in == FLOOD + GOOD * QUESTIONS, within_s=20
        )
        assert gateway.counters.peers_held_back >= 2
        assert len(gateway.node.registry) == GOOD + 1


async def test_who_floods_for_seconds_is_told_so_whatever_the_kernel_still_holds_of_it(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(wire={"messages_per_s": 10, "flooding_after_s": 2})
    async with live(gateway.port) as greedy:
        await greedy.send(SMALL * 10 * FLOOD)
        assert await greedy.close_code() == CloseReason.FLOODING.code
        assert gateway.counters.messages_in < FLOOD
        assert gateway.counters.peers_held_back >= 2
