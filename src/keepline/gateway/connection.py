"""One accepted WebSocket from its 101 to its cleanup: bytes in, frames out, decisions performed.

There is no task and no timer behind a living connection: the socket calls `data_received`, the
ticker calls `on_due`, and everything that can change its state goes through `advance`.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

from keepline.errors import FloodError, PeerError
from keepline.gateway import probing, unfinished
from keepline.gateway.backlog import Put
from keepline.gateway.budget import ONE_OF, SMALL_READ_BYTES
from keepline.gateway.outbox import Outbox
from keepline.gateway.sockets import abort, end_output
from keepline.gateway.turns import LARGE_READ_BYTES
from keepline.lifecycle.heartbeat import PINGED, Heartbeat, Verdict, means_of_asking
from keepline.lifecycle.machine import loss
from keepline.lifecycle.states import Effect, Event, State
from keepline.reasons import CloseReason
from keepline.wire import frames
from keepline.wire.events import Binary, Close, Ping, Pong, Text
from keepline.wire.probe import answered_probe
from keepline.wire.reader import MASKED, FrameReader, whole_frame

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.gateway.receiver import Receiver
    from keepline.lifecycle.heartbeat import Judge
    from keepline.lifecycle.machine import Lifecycle
    from keepline.lifecycle.profile import Profile
    from keepline.wire.events import Event as WireEvent

# Ended because nobody reads: what the kernel still holds for them will never be acknowledged.
UNREAD = frozenset({CloseReason.HEARTBEAT_TIMEOUT, CloseReason.SLOW_READER})

UNHEARD_LOOK_S = 1.0

_OTHERS = ONE_OF - 1
_CONTROLS = "more control frames per second than allowed"

# Looked up a few times for every ping; an enum's own look-up is slow in Python 3.11.
_ACTIVE, _IDLE, _HEALTHY = State.ACTIVE, State.IDLE, Verdict.HEALTHY

HOLD_OUTPUT = 1  # the peer does not read: hear it again when it does
HOLD_TURN = 2  # its frames used up this loop turn: the others first
HOLD_RECEIVER = 4  # who takes its messages takes no more for now
HOLD_END = 8  # it was thrown out for saying too much: nothing more is heard


class Connection(asyncio.Protocol):
    """The I/O shell around one `Lifecycle`; used once, never reopened."""

    __slots__ = (
        "_holds",
        "_reader",
        "address",
        "heartbeat",
        "last_activity",
        "last_sent",
        "lifecycle",
        "node",
        "outbox",
        "profile",
        "receiver",
        "transport",
        "wheel_tick",
    )

    def __init__(
        self,
        node: Node,
        transport: asyncio.Transport,
        lifecycle: Lifecycle,
        receiver: Receiver,
        profile: Profile,
    ) -> None:
        now = node.ticker.now
        self.node = node
        self.transport = transport
        self.receiver = receiver
        self.profile = profile
        self.lifecycle = lifecycle
        self.heartbeat = Heartbeat(last_rx=now)
        self.outbox: Outbox | None = None
        self.address = ""  # where the request came from
        self.wheel_tick = -1
        # Only for frames that come in parts or together; and until the hello, which has limits.
        self._reader: FrameReader | None = FrameReader(node.hello_limits, masked=True)
        self.last_activity = now
        self.last_sent = now  # data, as the device counts it
        self._holds = 0

    # -- inbound ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Any byte is life; what it means is the reader's business."""
        node = self.node
        self.heartbeat.last_rx = node.ticker.now
        node.counters.bytes_in += len(data)
        reader = self._reader
        if reader is None:
            event = whole_frame(data, MASKED, node.limits.message_bytes)
        else:
            event = reader.receive_whole(data)
        if event is None:
            self._receive_parts(data)
            return
        self._on_event(event)
        if not node.counters.frames_in & _OTHERS:
            node.turns.budget.see(self)

    def _receive_parts(self, data: bytes) -> None:
        """Several frames or parts of them; what is beyond one turn's worth waits for the next."""
        reader = self._reader
        if reader is None:
            reader = self._reader = FrameReader(self.node.limits, masked=True)
        turns, before = self.node.turns, self.node.counters.frames_in
        events = reader.receive(data)
        for event in events:
            self._on_event(event)
        self._release_reader()
        if before ^ self.node.counters.frames_in > _OTHERS:  # the 32nd may not hide among others
            turns.budget.see(self)
        if turns.budget.spend(self, len(events) or 0 < len(data) < SMALL_READ_BYTES):
            self._hold(HOLD_TURN)
            turns.hold_back(self)
        elif reader.pending or len(data) >= LARGE_READ_BYTES:
            self._hold(HOLD_TURN)
            turns.give(self)

    def watch(self, *, closely: bool) -> None:
        """Have every frame counted against the budget, or again only those that come together."""
        self._reader = self._reader or FrameReader(self.node.limits, masked=True)
        self._reader.watch(closely=closely)
        self._release_reader()

    def next_turn(self) -> None:
        """Go on with what the last turn had no time for; not while the peer does not read."""
        if self._holds & ~HOLD_TURN or self.transport.is_closing():
            return
        self._unhold(HOLD_TURN)
        self._receive_parts(b"")

    def _on_event(self, event: WireEvent) -> None:
        node = self.node
        node.counters.frames_in += 1
        if isinstance(event, Binary):
            if self.lifecycle.state is _ACTIVE:  # as `_is_heard`, without a call for each frame
                self.last_activity = node.ticker.now
                self.receiver.receive_binary(event.data)
            elif self._is_heard():
                self.receiver.receive_binary(event.data)
        elif isinstance(event, Pong):
            self._on_pong(event.data)
        elif isinstance(event, Text):
            if (number := answered_probe(event.text)) is not None:
                probing.receive_answer(self, number)
            elif self._is_heard():
                self.receiver.receive_text(event.text)
        elif isinstance(event, Ping):
            self._on_ping(event.data)
        elif isinstance(event, Close):
            self._on_close(event)
        else:
            self._on_violation(event.error)

    def _is_heard(self) -> bool:
        """A data message: it is activity, and wakes who was idle; nobody hears it at the end."""
        self.last_activity = self.node.ticker.now
        state = self.lifecycle.state
        if state is _ACTIVE:
            return True
        if state is _IDLE:
            self.node.wheel.arm_by(self, self.last_activity + self.node.idle_after_s)
            self.advance(Event.ACTIVITY)
            return self.lifecycle.state is _ACTIVE
        return state is State.AUTHENTICATING

    def _on_pong(self, payload: bytes) -> None:
        node = self.node
        node.counters.pongs_received += 1
        rtt_s = self.heartbeat.receive_pong(payload, node.ticker.precise())
        if rtt_s is not None:
            node.counters.rtt.observe(rtt_s)
        elif not self._may_send_control():  # nobody asked for it
            self.end_flood(_CONTROLS)

    def _on_ping(self, payload: bytes) -> None:
        self.node.counters.pings_received += 1
        if not self._may_send_control():
            self.end_flood(_CONTROLS)
        elif self.outbox is not None:
            self.outbox.unanswered_ping = payload
        else:
            self.transport.write(frames.pong_frame(payload))

    def _on_close(self, event: Close) -> None:
        if self.lifecycle.reason is None:
            self.lifecycle.detail = "no code" if event.code is None else f"code {event.code}"
        # The answer echoes the peer's code (RFC 6455 §5.5.1); it is sent once.
        if self.lifecycle.state is not State.DISCONNECTING:
            self.transport.write(frames.close_frame(event.code))
        else:
            self.node.counters.closes_confirmed += 1
        self.advance(Event.PEER_CLOSED, CloseReason.DEVICE_SAID_CLOSE)

    def _on_violation(self, error: PeerError) -> None:
        """Fail the connection: the reader takes nothing more, so no answer is awaited (§7.1.7)."""
        self.fail(error)
        end_output(self.transport)

    def end_flood(self, detail: str) -> None:
        """Throw it out, and do not hear for the bound of its Close what else it says."""
        if not self._holds & HOLD_END:
            self.fail(FloodError(detail))
            self._hold(HOLD_END)

    def _may_send_control(self) -> bool:
        return self.node.turns.count_control(self) <= self.node.limits.control_frames_per_s

    # -- outbound --------------------------------------------------------------------------

    def send(self, frame: bytes, *, audio: bool = False) -> None:
        """Write a whole frame, or queue it while the peer does not read; nothing once it ends."""
        if self.lifecycle.reason is not None:  # no data after a Close frame (RFC 6455 §5.5.1)
            return
        node = self.node
        self.last_sent = node.ticker.now
        counters = node.counters
        if self.outbox is None:
            counters.frames_out += 1
            counters.bytes_out += len(frame)
            self.transport.write(frame)
            return
        put = self.outbox.put(frame, len(frame), audio=audio)
        if put is Put.DROPPED_AUDIO:
            counters.outbox_audio_dropped += 1
        elif put is Put.OVERFLOW:
            self.close(CloseReason.OUTBOX_OVERFLOW)

    def pause_writing(self) -> None:
        """Stop hearing a peer that does not read us: its pings would only queue pongs."""
        now = self.node.ticker.now
        settings = self.node.settings.outbox
        buffered_bytes = self.transport.get_write_buffer_size()
        if self.outbox is None:
            self.outbox = Outbox(settings, now=now, buffered_bytes=buffered_bytes)
            self.node.governor.backlogs.add(self.outbox)
        else:
            self.outbox.begin_anew(now=now, buffered_bytes=buffered_bytes)
        self._hold(HOLD_OUTPUT)
        self.receiver.pause_sending()
        if self.lifecycle.state in (_ACTIVE, _IDLE):  # its next look may be an interval away
            self.node.wheel.arm_by(self, now + settings.stuck_after_s)

    def resume_writing(self) -> None:
        """Send what has waited, as far as the socket takes it."""
        self._unhold(HOLD_OUTPUT)
        outbox = self.outbox
        assert outbox is not None, "resumed, so it was paused"
        if self.lifecycle.reason is not None:
            return  # what waits is for the device's next session
        if (payload := outbox.unanswered_ping) is not None:
            outbox.unanswered_ping = None
            self.transport.write(frames.pong_frame(payload))
        while not self._holds & HOLD_OUTPUT:
            frame = outbox.take()
            if frame is None:
                self.outbox = None
                break
            self.node.counters.frames_out += 1
            self.node.counters.bytes_out += len(frame)
            self.transport.write(frame)
        if self.outbox is None:
            self.receiver.resume_sending()
        if self._holds == HOLD_TURN:
            self.node.turns.resume(self)

    def pause_receiving(self) -> None:
        """Hear nothing more of the device until `resume_receiving`: its messages go nowhere."""
        self._hold(HOLD_RECEIVER)

    def resume_receiving(self) -> None:
        """Hear the device again; idempotent."""
        self._unhold(HOLD_RECEIVER)
        if self._holds == HOLD_TURN:
            self.node.turns.resume(self)

    def is_held_up(self, now: float) -> bool:
        """Return whether it is we who do not listen, and not as it has stopped reading for good."""
        return bool(self._holds) and (self.outbox is None or not self._is_stuck(now))

    def _hold(self, why: int) -> None:
        if not self._holds:
            self.transport.pause_reading()
        self._holds |= why

    def _unhold(self, why: int) -> None:
        if self._holds == why and not self.transport.is_closing():
            self.transport.resume_reading()
        self._holds &= ~why

    # -- time ------------------------------------------------------------------------------

    def on_due(self, now: float) -> None:
        """Look at this connection again; the ticker calls it when the nearest deadline passes."""
        state = self.lifecycle.state
        if state is _IDLE:
            reader = self._reader
            self._look(now, inf if reader is None else unfinished.look(self, reader, now))
        elif state is _ACTIVE:
            idle_due = self.last_activity + self.node.idle_after_s
            if now >= idle_due:
                self.heartbeat.streaming = False  # no audio flows, whatever it announced
                self.advance(Event.QUIET)
                if self.lifecycle.state is not _IDLE:
                    return  # the handler closed it: the bound is armed and must stay
                reader = self._reader
                idle_due = inf if reader is None else unfinished.look(self, reader, now)
            self._look(now, idle_due)
        elif state is State.DISCONNECTING and self.wheel_tick < 0:
            # (Were it still armed, only the roll of the pinged would have been called.)
            self.node.counters.closes_timed_out += 1
            self.node.departures.drop(self)

    def _look(self, now: float, idle_due: float) -> None:
        """Ask for a sign of life if it is time, else judge the silence; arm the next look."""
        if self._holds & HOLD_END:
            return  # the bound of its Close is armed, and must stay
        if self._holds:
            self._look_unheard(now)
            return
        node = self.node
        tuning = node.tuning
        judge = node.judge if tuning is None else tuning.tuner.judge_of(self, now)
        u = node.random.random()
        due = judge.ask_again(self.heartbeat, now, u)
        if due is not None:
            self._ask(judge)
            node.ticker.expect(self)
        else:
            due = self._judge(judge, now, u)
            if due is None:
                return
        if due > self.last_sent + self.profile.quiet_s:
            due = probing.keep_channel(self, now, due)
        node.wheel.arm(self, due if due < idle_due else idle_due)  # noqa: FURB136 (no call)

    def _judge(self, judge: Judge, now: float, u: float) -> float | None:
        """Judge the silence, and return when to look again; None for one that is a zombie."""
        node = self.node
        heartbeat = self.heartbeat
        failures = heartbeat.failures
        verdict, ping, due, became_suspicious = judge.look(heartbeat, now, u)
        if verdict is not _HEALTHY:
            if became_suspicious:
                node.on_suspicion(now)
            node.counters.ping_failures += heartbeat.failures - failures
            if verdict is Verdict.ZOMBIE:
                self._on_zombie(now, due)
                return None
        if ping:
            self._ask(judge)
        return due

    def _ask(self, judge: Judge) -> None:
        """Send a ping, or what takes its place."""
        node = self.node
        heartbeat = self.heartbeat
        payload = judge.ping_payload(heartbeat, node.ticker.precise())
        if heartbeat.means == PINGED:
            node.counters.pings_sent += 1
            self.transport.write(frames.ping_frame(payload))
        else:
            probing.ask(self, payload)

    def _look_unheard(self, now: float) -> None:
        """We are not listening, so silence proves nothing; what counts is whether it reads."""
        if self.outbox is not None and self._is_stuck(now):
            self.close(CloseReason.SLOW_READER)
        else:
            self.node.wheel.arm(self, now + UNHEARD_LOOK_S)

    def _on_zombie(self, now: float, due: float) -> None:
        """Carry the verdict out, or look again at `due` while the breaker holds it back."""
        if self.node.may_reap(now):
            self.advance(Event.SILENT)  # which is the reason for what follows
            self.advance(Event.CLOSE)
        else:
            self.node.wheel.arm(self, due)

    def _is_stuck(self, now: float) -> bool:
        assert self.outbox is not None
        return self.outbox.is_stuck(now=now, buffered_bytes=self.transport.get_write_buffer_size())

    def expect_audio(self, *, flowing: bool) -> None:
        """While audio should be flowing, silence itself is a symptom: look sooner."""
        self.heartbeat.streaming = flowing
        if flowing and self.lifecycle.reason is None:
            self.node.wheel.arm_by(self, self.node.ticker.now + self.node.streaming_silence_s)

    # -- decisions -------------------------------------------------------------------------

    def greet(self, receiver: Receiver) -> None:
        """The hello was accepted: messages go to `receiver` from now on."""
        self.receiver = receiver
        self.heartbeat.means = means_of_asking(
            never_pongs=self.profile.pongs == "never",
            answers_probes=receiver.speaks_mcp,
            kernel_judges=self.node.settings.server.kernel_timeout_s is not None,
        )
        assert self._reader is not None, "kept until now"
        self._reader.limits = self.node.limits
        self._release_reader()
        self.advance(Event.HELLO)

    def close(self, reason: CloseReason, detail: str = "") -> None:
        """Begin the end; idempotent, the first reason wins."""
        if self.lifecycle.reason is None:
            self.lifecycle.detail = detail
        self.advance(Event.CLOSE, reason)

    def drop(self) -> None:
        """Drop TCP now: what has begun to end is waited for no longer."""
        if self.lifecycle.reason is None:
            self.transport.abort()
        else:
            self.advance(Event.CLOSE_DUE)

    def stop_hearing(self, reason: CloseReason, detail: str) -> None:
        """Begin the end, and do not hear for the bound of its Close what else it says."""
        self.close(reason, detail)
        self._hold(HOLD_END)
        self._reader = None

    def fail(self, error: PeerError) -> None:
        """End with the reason the peer's error carries."""
        self.node.log.debug("peer_error", detail=error.detail, cause=error.reason.cause)
        self.close(error.reason, error.detail)

    def eof_received(self) -> bool:
        """The peer has hung up; True when so many do that this one is closed a little later."""
        return self.node.departures.hang_up(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """TCP is gone, whoever ended it; this comes exactly once."""
        reason = self.node.isolation.faults.of_socket(exc)
        self.advance(loss(reason), reason)

    def advance(self, event: Event, reason: CloseReason | None = None) -> None:
        """Put one event to the table and perform what it decides."""
        for effect in self.lifecycle.receive(event, self.node.ticker.now, reason).effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        """Turn one effect into I/O."""
        match effect:
            case Effect.START_HEARTBEAT:
                self._start_heartbeat()
            case Effect.RELEASE_BUFFERS:
                self.receiver.release_buffers()
            case Effect.TELL_IDLE:
                self.receiver.tell_idle()
            case Effect.TELL_WOKEN:
                self.receiver.tell_woken()
            case Effect.SEND_CLOSE:
                self._send_close()
                self.receiver.tell_closing()
            case Effect.ARM_CLOSE_BOUND:
                bound_s = self.profile.close_timeout_s
                self.node.wheel.arm(self, self.node.ticker.now + bound_s)
            case Effect.CLOSE_TRANSPORT:
                self.transport.close()
            case Effect.ABORT_TRANSPORT:
                abort(self.transport, discard=self.lifecycle.reason in UNREAD)
            case Effect.START_CLEANUP:
                self.node.departures.begin(self)

    def _release_reader(self) -> None:
        """Let go of it as soon as it holds nothing: later its place would stay a hole in memory."""
        reader = self._reader
        if reader is not None and reader.is_calm and reader.limits is self.node.limits:
            self._reader = None

    def _start_heartbeat(self) -> None:
        node = self.node
        now = node.ticker.now
        due = node.judge.first_due(self.heartbeat, now, node.random.random())
        node.wheel.arm(self, min(due, now + node.idle_after_s, now + self.profile.quiet_s))

    def _send_close(self) -> None:
        reason = self.lifecycle.reason
        assert reason is not None, "nothing closes without a reason"
        code, words = self.receiver.farewell(reason)
        if code is not None:
            self.transport.write(frames.close_frame(code, words))
