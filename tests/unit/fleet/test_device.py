from __future__ import annotations

from math import inf

import pytest

from keepline.fleet.channel import HANDSHAKE_TIMEOUT_S
from keepline.fleet.device import FRAME_BYTES, REPLY_TIMEOUT_S
from keepline.fleet.habits import FRAME_S, Habits
from keepline.fleet.reaction import Action, Phase
from keepline.wire import frames
from keepline.wire.audio import unpack
from keepline.wire.events import Pong
from keepline.wire.handshake import RequestReader, upgrade_response
from keepline.wire.limits import Limits
from keepline.wire.messages import (
    Ack,
    Alert,
    AudioParams,
    Custom,
    Hello,
    Listen,
    Mcp,
    ServerHello,
    Stt,
    Tts,
    encode_server_message,
)
from tests.unit.fleet.by_hand import START, Server, make_device, phase_of, talker


def test_the_upgrade_is_the_firmware_one() -> None:
    server = Server(make_device())
    request = server.opens()
    assert request.is_upgrade
    assert request.path == "/xiaozhi/v1/"
    assert request.headers["host"] == "gateway.local"
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["protocol-version"] == "1"
    assert request.headers["device-id"] == "02:00:00:00:00:01"
    assert request.headers["client-id"] == "11111111-2222-4333-8444-555555555555"


def test_without_a_token_no_authorization_is_sent() -> None:
    assert "authorization" not in Server(make_device(token=None)).opens().headers


def test_it_connects_when_its_time_has_come_and_says_hello_after_the_101() -> None:
    device = make_device()
    assert device.due == START + 1
    server = Server(device)
    server.opens()
    said = Hello(
        version=1, features={"mcp": True}, transport="websocket", audio_params=AudioParams()
    )
    assert server.heard() == [said]
    assert phase_of(device) is Phase.GREETING
    assert not device.is_connected


def test_a_server_hello_that_comes_with_the_101_is_heard() -> None:
    device = make_device()
    server = Server(device)
    server.waits()
    request = RequestReader(Limits()).receive(device.connected(server.now).data)
    assert request is not None
    hello = encode_server_message(ServerHello(session_id="s", audio_params=AudioParams()))
    server.sends(upgrade_response(request) + frames.text_frame(hello))
    assert device.is_connected
    assert device._tally.counts.hellos == 1


@pytest.mark.parametrize("has_101", [False, True])
def test_it_gives_up_on_a_server_that_does_not_answer(*, has_101: bool) -> None:
    device = make_device()
    server = Server(device)
    if has_101:
        server.opens()
    else:
        server.waits()
        device.connected(server.now)
    since = server.now
    server.waits()
    assert server.now == since + HANDSHAKE_TIMEOUT_S
    assert server.action is Action.HANG_UP
    assert phase_of(device) is Phase.OFF
    assert device._tally.counts.timeouts == 1


def test_a_refusal_is_counted_by_its_status_and_retried_when_the_person_speaks() -> None:
    device = make_device(talker("text"))
    server = Server(device)
    server.waits()
    device.connected(server.now)
    server.sends(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    assert server.action is Action.HANG_UP
    assert device._tally.counts.refused == {503: 1}
    assert device.due == server.now + 5


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
        ),
    ],
)
def test_an_answer_that_is_none_is_a_violation(answer: bytes) -> None:
    device = make_device()
    server = Server(device)
    server.waits()
    device.connected(server.now)
    server.sends(answer)
    assert server.action is Action.HANG_UP
    assert device._tally.counts.violations == 1


def test_the_person_speaks_as_soon_as_the_device_is_let_in() -> None:
    device = make_device(talker("text"))
    server = Server(device)
    server.greets()
    assert device.due == server.now
    server.waits()
    assert server.heard() == [Listen("detect", text="hello", session_id="s-1")]
    server.says(Stt("hello"))
    assert phase_of(device) is Phase.READY
    assert device.due == server.now + 5
    assert device._tally.counts.turns_answered == 1


def test_a_manual_turn_streams_its_frames_in_real_time_and_waits_for_the_playback() -> None:
    device = make_device(talker("manual", frames=3))
    server = Server(device)
    server.greets()
    server.waits()
    since = server.now
    assert server.heard() == [Listen("start", mode="manual", session_id="s-1")]
    for _ in range(3):
        server.waits()
    assert server.now == pytest.approx(since + 3 * FRAME_S)
    spoken = server.heard()
    assert [len(frame) for frame in spoken if isinstance(frame, bytes)] == [FRAME_BYTES] * 3
    server.waits()
    assert server.heard() == [Listen("stop", session_id="s-1")]
    server.says(Tts("start"), spoken[0], spoken[1], spoken[2])  # type: ignore[arg-type]
    assert phase_of(device) is Phase.WAITING
    server.says(Tts("stop"))
    assert phase_of(device) is Phase.READY
    counts = device._tally.counts
    assert (counts.frames_sent, counts.frames_heard, counts.foreign_frames) == (3, 3, 0)


def test_in_auto_the_server_ends_the_turn_and_the_streaming_stops() -> None:
    device = make_device(talker("auto", frames=100))
    server = Server(device)
    server.greets()
    for _ in range(5):
        server.waits()
    server.says(Tts("start"))
    assert phase_of(device) is Phase.WAITING
    server.says(Tts("stop"))
    assert phase_of(device) is Phase.READY
    assert device._tally.counts.frames_sent == 4


@pytest.mark.parametrize("version", [1, 2, 3])
def test_each_audio_version_is_said_in_header_and_hello_and_spoken_both_ways(version: int) -> None:
    device = make_device(talker("realtime", frames=2), audio_version=version)
    server = Server(device)
    assert server.opens().headers["protocol-version"] == str(version)
    (hello,) = server.heard()
    assert isinstance(hello, Hello)
    assert hello.version == version
    server.says(ServerHello(session_id="s-1", audio_params=AudioParams()))
    for _ in range(2):
        server.waits()
    _, packet = server.heard()
    assert isinstance(packet, bytes)
    frame = unpack(packet, version).payload
    assert len(frame) == FRAME_BYTES
    server.says(packet)
    counts = device._tally.counts
    assert (counts.frames_heard, counts.foreign_frames, counts.violations) == (1, 0, 0)


def test_a_packet_that_lies_is_a_violation_and_not_heard() -> None:
    device = make_device(audio_version=3)
    server = Server(device)
    server.greets()
    server.says(b"\x00\x00\xff\xffopus", b"")
    assert (device._tally.counts.frames_heard, device._tally.counts.violations) == (0, 2)
    assert device.is_connected


def test_a_tool_that_is_called_is_answered() -> None:
    device = make_device()
    server = Server(device)
    server.greets()
    server.says(Mcp({"jsonrpc": "2.0", "method": "keepline/alive", "id": 3}))
    (answer,) = server.heard()
    error = {"message": "Method not implemented: keepline/alive"}
    assert answer == Mcp({"jsonrpc": "2.0", "id": 3, "error": error}, session_id="s-1")
    server.says(Mcp({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    assert server.heard() == []
    assert device._tally.counts.tool_answers == 1


def test_an_alert_is_read_and_what_nobody_knows_is_ignored() -> None:
    device = make_device()
    server = Server(device)
    server.greets()
    server.says(Alert(status="s", message="m", emotion="sad"))
    server.sends(frames.text_frame('{"type":"keepalive"}') + frames.text_frame("no json"))
    assert (device._tally.counts.alerts, device._tally.counts.ignored) == (1, 2)
    assert server.events == []
    assert phase_of(device) is Phase.READY


def test_in_realtime_it_hears_while_it_streams() -> None:
    device = make_device(talker("realtime", frames=2))
    server = Server(device)
    server.greets()
    server.waits()
    server.says(Tts("start"))
    server.waits()
    server.says(b"not mine")
    assert phase_of(device) is Phase.SPEAKING
    server.waits()
    server.waits()
    assert server.heard()[-1] == Listen("stop", session_id="s-1")
    server.says(Tts("stop"))
    assert device._tally.counts.turns_answered == 1
    assert device._tally.counts.foreign_frames == 1


def test_a_stall_of_ours_is_not_made_up_for_with_a_burst() -> None:
    device = make_device(talker("manual", frames=50))
    server = Server(device)
    server.greets()
    server.waits()
    server.now += 30.0
    server.waits()
    server.waits()
    assert device.due == server.now + FRAME_S


def test_a_turn_that_nobody_answers_ends_after_a_while() -> None:
    device = make_device(talker("text", turns=2))
    server = Server(device)
    server.greets()
    server.waits()
    since = server.now
    server.waits()
    assert server.now == since + REPLY_TIMEOUT_S
    assert device._tally.counts.turns_unanswered == 1
    assert phase_of(device) is Phase.WAITING  # the second turn
    assert len(server.heard()) == 2


def test_audio_that_is_still_coming_prolongs_the_wait() -> None:
    device = make_device(talker("manual", frames=0))
    server = Server(device)
    server.greets()
    server.waits()
    server.waits()
    server.now += REPLY_TIMEOUT_S / 2
    server.says(b"audio")
    assert device.due == server.now + REPLY_TIMEOUT_S


def test_pings_are_answered_in_every_phase_of_the_channel() -> None:
    device = make_device(talker("manual"))
    server = Server(device)
    server.opens()
    server.events.clear()
    server.sends(frames.ping_frame(b"greeting"))
    server.says(ServerHello(session_id="s", audio_params=AudioParams()))
    server.sends(frames.ping_frame(b"ready"))
    server.waits()
    server.events.pop()
    server.sends(frames.ping_frame(b"speaking"))
    assert server.events == [Pong(b"greeting"), Pong(b"ready"), Pong(b"speaking")]
    assert device._tally.counts.pings_answered == 3


def test_a_normal_end_closes_tcp_without_a_close_frame() -> None:
    device = make_device(talker("text", hang_up=1.0))
    server = Server(device)
    server.greets()
    server.waits()
    server.events.clear()
    server.says(Stt("hello"))
    assert server.events == []
    assert server.action is Action.HANG_UP
    assert phase_of(device) is Phase.OFF
    assert device.due == server.now + 5
    assert device._tally.counts.hung_up == 1
    assert device._tally.counts.lost == 0


def test_a_close_is_not_answered_and_the_socket_stays() -> None:
    device = make_device(talker("text"))
    server = Server(device)
    server.greets()
    server.sends(frames.close_frame(1001, "server_shutdown"))
    assert server.events == []
    assert server.action is None
    assert phase_of(device) is Phase.OFF
    assert device._tally.counts.closed == {1001: 1}
    server.sends(frames.ping_frame(b"anyone?"))
    assert server.events == []
    device.lost(server.now)
    assert device._tally.counts.lost == 0


def test_after_a_drop_stock_firmware_waits_for_its_person() -> None:
    device = make_device(talker("text"))
    server = Server(device)
    server.greets()
    server.waits()
    server.says(Stt("hello"))
    device.lost(server.now)
    assert device._tally.counts.lost == 1
    assert device.due == server.now + 5
    server.greets()
    server.waits()
    assert server.heard() == [Listen("detect", text="hello", session_id="s-1")]


def test_a_device_that_reconnects_by_itself_does_so_and_is_silent_until_spoken_to() -> None:
    habits = Habits(kinds=("text",), pause_s=(60.0, 60.0), hang_up=0, die=0, reconnect_s=10.0)
    device = make_device(habits)
    server = Server(device)
    server.greets()
    server.waits()
    server.says(Stt("hello"))
    device._turns_left = 0
    spoke_at = device._person_at
    device.lost(server.now)
    assert device.due == server.now + 10
    server.greets()
    assert device.due == spoke_at


def test_tcp_that_does_not_come_up_is_counted_and_tried_again() -> None:
    device = make_device(talker("text"))
    server = Server(device)
    server.waits()
    assert device.due == inf
    device.failed(server.now, "ECONNREFUSED")
    assert device._tally.counts.failed == {"ECONNREFUSED": 1}
    assert device.due == server.now + 5


def test_a_silent_death_says_and_answers_nothing_and_comes_back_on_a_new_socket() -> None:
    device = make_device(talker("text", die=1.0))
    server = Server(device)
    server.greets()
    server.waits()
    server.events.clear()
    server.says(Stt("hello"))
    assert server.action is Action.FREEZE
    died_at = server.now
    server.sends(frames.ping_frame(b"alive?"))
    assert server.events == []
    device.lost(server.now)
    assert device._tally.counts.died == 1
    assert device._tally.counts.lost == 0
    server.greets()
    assert server.now == died_at + 50
    assert device.is_connected


def test_death_may_come_in_the_middle_of_a_sentence() -> None:
    device = make_device(talker("manual", frames=2, die=1.0))
    server = Server(device)
    server.greets()
    for _ in range(4):
        server.waits()
    assert server.action is Action.FREEZE
    assert not any(isinstance(said, Listen) and said.state == "stop" for said in server.heard())


def test_a_masked_frame_from_the_server_is_a_violation() -> None:
    device = make_device()
    server = Server(device)
    server.greets()
    server.sends(frames.encode_masked(frames.Opcode.TEXT, b"{}", b"mask"))
    assert server.action is Action.HANG_UP
    assert device._tally.counts.violations == 1


def test_messages_it_does_not_understand_are_harmless() -> None:
    device = make_device()
    server = Server(device)
    server.greets()
    for text in ('{"type":"keepalive"}', "{", '{"type":"alert"}'):
        server.sends(frames.text_frame(text))
    assert server.events == []
    assert phase_of(device) is Phase.READY


def test_the_same_seed_lives_the_same_life() -> None:
    lives = []
    for _ in range(2):
        server = Server(make_device())
        server.greets()
        for _ in range(50):
            server.waits()
            if server.action is not None:
                break
        lives.append((server.now, server.events))
    assert lives[0] == lives[1]


def test_backing_off_it_waits_twice_as_long_each_time_until_it_is_let_in() -> None:
    habits = Habits(pause_s=(900.0, 900.0), reconnect_s=1.0, reconnect_most_s=5.0)
    device = make_device(habits)
    server = Server(device)
    most_s = []
    for _ in range(5):
        server.waits()
        device.failed(server.now, "ECONNREFUSED")
        most_s.append(device._backoff_s)
        assert 0.0 < device.due - server.now <= 5.0
    assert most_s == [2.0, 4.0, 5.0, 5.0, 5.0]
    assert device._tally.counts.unlucky == 1
    server.greets()
    assert device._backoff_s == 1.0
    assert device._tally.counts.unlucky == 0


def test_frames_that_do_not_come_back_are_lost_with_the_end_of_the_turn() -> None:
    device = make_device(talker("manual", frames=3))
    server = Server(device)
    server.greets()
    for _ in range(5):
        server.waits()
    first, *_ = (said for said in server.heard() if isinstance(said, bytes))
    server.says(Tts("start"), first, Tts("stop"))
    assert device._tally.counts.frames_lost == 2
    assert device._tally.counts.frames_own == 1


def test_with_numbers_each_hello_and_each_turn_is_answered_by_a_custom_message() -> None:
    habits = Habits(kinds=("text",), turns=(1, 1), hang_up=0.0, die=0.0, numbers=True)
    server = Server(make_device(habits))
    server.opens()
    server.events.clear()
    server.says(ServerHello(session_id="s-1", audio_params=AudioParams()))
    assert server.heard() == [Custom({"n": 0}, session_id="s-1")]
    server.waits()
    assert server.heard()[0] == Custom({"n": 1}, session_id="s-1")
    server.now += 0.25
    server.says(Custom({"n": 0}), Custom({"n": 1}))
    assert server.device._tally.counts.numbers_heard == 2
    assert server.device._tally.rtt.count == 2


def test_one_with_receipts_says_so_in_its_hello_and_is_told_what_became_of_its_session() -> None:
    server = Server(make_device(Habits(at_once=0.0, receipts=True)))
    server.opens()
    (hello,) = server.heard()
    assert isinstance(hello, Hello)
    assert hello.features == {"mcp": True, "ack": True, "resume": True}
    server.says(ServerHello(session_id="s-1", audio_params=AudioParams(), resume="resumed"))
    assert server.device._tally.counts.outcomes == {"resumed": 1}


def test_one_with_receipts_acknowledges_every_message_and_hears_it_once() -> None:
    server = Server(make_device(Habits(at_once=0.0, receipts=True)))
    server.greets()
    notice = Alert(status="info", message="hello", emotion="neutral", message_id="m-1")
    server.says(notice, notice)
    assert server.heard() == [Ack("m-1"), Ack("m-1")]
    counts = server.device._tally.counts
    assert (counts.receipts, counts.said_again, counts.alerts) == (2, 1, 1)


def test_stock_firmware_acknowledges_nothing() -> None:
    server = Server(make_device(Habits(at_once=0.0)))
    server.greets()
    server.says(Alert(status="info", message="hello", emotion="neutral", message_id="m-1"))
    assert server.heard() == []


def test_what_is_under_way_when_the_server_ends_it_is_lost() -> None:
    server = Server(make_device(Habits(at_once=0.0, numbers=True)))
    server.greets()
    server.sends(frames.close_frame(1001))
    assert server.device._tally.counts.numbers_lost == 1
