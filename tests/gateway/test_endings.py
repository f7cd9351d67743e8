"""Every reason a connection can end with, made to happen: what the peer hears and what is told.

A reason without a proof, here or named in ELSEWHERE, fails `test_every_reason_has_its_proof`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tests.gateway.proofs_of_clusters
import tests.gateway.proofs_under_pressure  # noqa: F401 (more of PROOFS)
from keepline.reasons import CloseReason, Initiator
from keepline.wire.frames import Opcode
from tests.conftest import DEVICE_ID, RunningGateway
from tests.gateway.peers import Peer, audio, live, pong, text
from tests.gateway.proofs import PROOFS, session_of
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]

# Reasons whose proof needs more than a plain socket: where it is.
ELSEWHERE = {
    CloseReason.TLS_FAILED: (
        "tests/gateway/test_tls.py",
        "test_plain_http_on_the_tls_port_is_named_in_the_log",
    ),
    CloseReason.PROXY_HEADER_INVALID: (
        "tests/gateway/test_proxies.py",
        "test_a_trusted_proxy_has_to_send_a_header",
    ),
}
# And those whose proof needs a voice server behind the gateway.
RELAYED = {
    CloseReason.UPSTREAM_CLOSED: (
        "tests/gateway/test_relay.py",
        "test_an_upstream_that_hangs_up_ends_the_session_with_its_own_code",
    ),
    CloseReason.UPSTREAM_LOST: (
        "tests/gateway/test_relay.py",
        "test_a_cut_conversation_can_end_the_session",
    ),
    CloseReason.UPSTREAM_REFUSED: (
        "tests/gateway/test_relay.py",
        "test_an_upstream_that_refuses_a_device_ends_its_session",
    ),
}


@pytest.mark.parametrize("reason", PROOFS, ids=lambda reason: reason.cause)
async def test_an_ending_is_heard_counted_logged_and_remembered(
    start_gateway: Callable[..., Any], reason: CloseReason
) -> None:
    proof = PROOFS[reason]
    gateway: RunningGateway = await start_gateway(proof.handler, **proof.settings)
    seen = await proof.act(gateway)
    assert seen == (reason.code if reason.status is None else reason.status)
    await eventually(lambda: gateway.counters.disconnects[reason] == 1)
    if reason is CloseReason.ANSWERED:
        return  # what was asked for: no line, no memory
    if reason.status is None:
        await _check_ending(gateway, reason)
    else:
        _check_refusal(gateway, reason)


async def _check_ending(gateway: RunningGateway, reason: CloseReason) -> None:
    lines = gateway.logged("device_disconnected") + gateway.logged("device_left_before_hello")
    [line] = [line for line in lines if line["cause"] == reason.cause]
    assert line["initiator"] == reason.initiator.value
    assert (line["device_id"], line["address"]) == (DEVICE_ID, "127.0.0.1")
    assert line.get("code") == reason.code
    assert line["level"] == "info"
    assert {"state", "age_s", "last_frame_s", "last_byte_s", "average_rtt_s"} <= line.keys()
    if line["event"] == "device_left_before_hello":
        ats = [each.at for each in gateway.node.refusals.of_device(DEVICE_ID)]
    else:
        ats = [each["at"] for each in await gateway.endings() if each["cause"] == reason.cause]
    assert ats == [pytest.approx(time.time(), abs=30)]


def _check_refusal(gateway: RunningGateway, reason: CloseReason) -> None:
    [line] = [line for line in gateway.logged("device_refused") if line["cause"] == reason.cause]
    assert (line["status"], line["level"]) == (reason.status, "info")
    assert line["detail"]
    [refusal] = [
        refusal
        for refusal in gateway.node.refusals.of_address(line["address"])
        if refusal.reason is reason
    ]
    assert refusal.device_id == line.get("device_id", "")


def test_the_initiator_of_an_ending_follows_from_what_happens() -> None:
    by = {who: {reason for reason in CloseReason if reason.initiator is who} for who in Initiator}
    # What is sent nowhere was not ours to send: who ended it by themselves hear nothing.
    silent = {reason for reason in CloseReason if reason.code is None and reason.status is None}
    assert by[Initiator.DEVICE] | by[Initiator.NETWORK] | set(ELSEWHERE) == silent


def test_every_reason_has_its_proof() -> None:
    proven = set(PROOFS) | set(ELSEWHERE) | set(RELAYED)
    assert [reason.cause for reason in CloseReason if reason not in proven] == []
    assert set(PROOFS) & set(ELSEWHERE) == set()
    for path, name in (ELSEWHERE | RELAYED).values():
        text = (ROOT / path).read_text("utf-8")
        assert re.search(rf"^async def {name}\(", text, re.MULTILINE), name


# -- what is normal ------------------------------------------------------------------------


async def test_a_conversation_that_ends_by_a_fin_alone_is_no_failure_anywhere(
    gateway: RunningGateway,
) -> None:
    async with live(gateway.port) as peer:
        await peer.send(text('{"type":"listen","state":"start","mode":"manual"}'))
        await peer.send(audio(b"opus"))
        await peer.send(text('{"type":"listen","state":"stop"}'))
        peer.fin()
        await peer.end()
    await eventually(lambda: gateway.logged("device_disconnected"))
    lines = gateway.log_lines.getvalue().splitlines()
    logged = "\n".join(line for line in lines if '"loop_' not in line)  # a machine that stood still
    assert not re.search(r'"level": ?"(warning|error)"', logged)
    assert not re.search(r"error|fail(ed|ure)\b|abnormal|1006", logged.replace("ping_failures", ""))
    counters = gateway.counters
    assert counters.disconnects[CloseReason.DEVICE_CLOSED] == 1
    assert (counters.handler_failures, counters.cleanup_failures, counters.ping_failures) == (
        0,
        0,
        0,
    )


async def test_a_device_with_many_lives_has_one_history(gateway: RunningGateway) -> None:
    for _ in range(3):
        async with live(gateway.port) as peer:
            await peer.send(pong())
            peer.fin()
            await peer.end()
    await eventually(lambda: len(gateway.logged("device_disconnected")) == 3)
    assert [each["claim"] for each in await gateway.endings()] == [3, 2, 1]


async def test_bytes_of_a_close_that_is_answered_by_nobody_are_still_one_ending(
    gateway: RunningGateway,
) -> None:
    peer = await Peer.live(gateway.port)
    session_of(gateway).close(CloseReason.KICKED)
    opcode, payload = await peer.frame()
    assert (opcode, payload[2:]) == (Opcode.CLOSE, b"kicked")
    assert await peer.end() == "fin"  # we hang up by ourselves: firmware waits for it
    peer.close()
    await eventually(lambda: gateway.logged("device_disconnected"))
    assert len(gateway.logged("device_disconnected")) == 1
