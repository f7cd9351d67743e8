"""A device's session that is passed on to an upstream: no handler, no reading, no pacing."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from keepline.gateway.backlog import Put
from keepline.gateway.drain.turn import RECORDED_S, Talk
from keepline.gateway.handler import Handler
from keepline.gateway.session import Session
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.relay.wait import Wait
from keepline.relay.words import listening, speaking, with_session_id
from keepline.wire import frames
from keepline.wire.messages import Alert, ServerHello, Tts, encode_server_message

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from keepline.gateway.connection import Connection
    from keepline.gateway.identity import Identity
    from keepline.hub.port import Claim
    from keepline.relay.introduction import Introduction
    from keepline.relay.link import Link
    from keepline.relay.relay import Relay
    from keepline.wire.messages import Hello

_NO_HANDLER = Handler[Session]()

UPSTREAM_ANSWER_S = 3.0  # what it may need to begin its answer, and between two parts of it

BREAK_S = 1.0  # after which audio that is sent may find that nobody is there

URGENT_SHARE = 0.1  # of the time within which everybody is connected anew: for who was talking

# An upstream that goes for one of these would be there for the device again: others are meant.
_WILL_BE_BACK = frozenset({1001, 1011, 1012, 1013, 1014})


class RelaySession(Session):
    """As every session its device's turn on one connection; its upstreams may change meanwhile.

    `_link` is there from an upstream's hello to its end, `waiting` whenever one is wanted and none
    has answered yet. With neither, the next data message asks for one.
    """

    __slots__ = (
        "_code",
        "_introduction",
        "_link",
        "_listen",
        "_relay",
        "_said",
        "_speaking",
        "_told_id",
        "ahead",
        "waiting",
    )

    def __init__(
        self,
        relay: Relay,
        connection: Connection,
        identity: Identity,
        hello: Hello,
        *,
        claim: Claim,
        introduction: Introduction,
        said: str,
    ) -> None:
        """`said` is its hello, word for word."""
        super().__init__(connection, identity, hello, _NO_HANDLER, claim=claim)
        self._relay = relay
        self.ahead: Link | None = None  # made before it was let in, until its hello is answered
        self._introduction = introduction
        self._said = said
        self._link: Link | None = None
        self.waiting: Wait | None = None
        self._told_id: str | None = None  # the session id in the hello that it got
        self._listen: str | None = None  # its `listen start`, while that holds
        self._speaking = False
        self._code: tuple[int, str] | None = None  # an upstream's last words, for the device

    @property
    def upstream(self) -> str:
        """The name of the upstream it is connected to, empty for none."""
        return "" if self._link is None else self._link.upstream.name

    @property
    def has_usual_hello(self) -> bool:
        """Whether its hello is one that upstreams answer."""
        return self._relay.is_usual(self._said)

    @property
    def introduction(self) -> Introduction:
        """How it introduced itself."""
        return self._introduction

    # -- coming ----------------------------------------------------------------------------

    def answer_hello(self, hello: ServerHello) -> None:  # noqa: ARG002 (the upstream's counts)
        """Have an upstream answer; when none need be asked yet, answer in its words."""
        link, self.ahead = self.ahead, None
        if link is not None and link.transport.is_closing():
            link = None
        if link is None and self._relay.answers_at_once:
            self._answer_ourselves()
            return
        late_at = self._node.ticker.now + self._relay.settings.hello_timeout_s
        wait = self.waiting = Wait(self, self._relay, late_at=late_at)
        if link is None:
            wait.dial()
        else:
            wait.arm()
            self.take(link)

    def _answer_ourselves(self) -> None:
        """Say hello as an upstream did, under our own session id."""
        self._told_id = self.session_id
        self.send_text(self._relay.hello_for(self.session_id))

    # -- from the device -------------------------------------------------------------------

    def receive_binary(self, data: bytes) -> None:
        """Pass audio on."""
        self.connection.node.counters.audio_in += 1
        link = self._link
        if link is not None:
            link.send_binary(data)
        else:
            self._put_off(data)

    def receive_text(self, text: str) -> None:
        """Pass a message on."""
        self._node.counters.messages_in += 1
        if self._link is None:
            self._put_off(text)
        else:
            self._pass_up(self._link, text)

    def _pass_up(self, link: Link, text: str) -> None:
        self._listen = listening(text, self._listen)
        if link.session_id is not None and self._told_id is not None:
            text = with_session_id(text, self._told_id, link.session_id)
        link.send_text(text)

    def _put_off(self, message: str | bytes) -> None:
        """Have a message wait for an upstream, and hurry."""
        now = self._node.ticker.now
        wait = self.waiting
        was_urgent = wait is not None and wait.is_urgent
        if wait is None:
            wait = self.waiting = Wait(self, self._relay, dial_at=now)
        put = wait.keep(message, self._node.settings.inbox)
        if not was_urgent and wait.backlog is not None:
            self._node.governor.backlogs.add(wait.backlog)
        if put is Put.DROPPED_AUDIO:
            self._node.counters.inbox_audio_dropped += 1
        elif put is Put.OVERFLOW:
            self.close(CloseReason.INBOX_OVERFLOW)
            return
        if not was_urgent:
            wait.hurry(now + self._relay.settings.hello_timeout_s)

    # -- from the upstream -----------------------------------------------------------------

    def pass_audio(self, frame: bytes) -> None:
        """Pass a binary message on: a whole frame."""
        connection = self.connection
        node = connection.node
        node.counters.audio_out += 1
        tuning = node.tuning
        if tuning is not None and node.ticker.now > connection.last_sent + BREAK_S:
            tuning.ask(connection)
        connection.send(frame)

    def hear(self, link: Link, text: str) -> None:
        """Pass a message on; an upstream's hello only to whom none was said yet."""
        if link.greeted_at is None and (hello := self._relay.read_hello(text)) is not None:
            self._be_greeted(link, text, hello)
            return
        was_speaking, self._speaking = self._speaking, speaking(text, before=self._speaking)
        if link.session_id is not None and self._told_id is not None:
            text = with_session_id(text, link.session_id, self._told_id)
        self._pass_down(text)
        if was_speaking and not self._speaking:
            self.leave_draining()
            self._node.drain.turn_is_over(self)

    def _pass_down(self, text: str) -> None:
        node = self._node
        node.counters.messages_out += 1
        self.connection.send(frames.text_frame(text))
        if node.tuning is not None:
            node.tuning.ask(self.connection)

    def _be_greeted(self, link: Link, text: str, hello: ServerHello) -> None:
        now = self._node.ticker.now
        link.greeted_at = now
        link.look_at(min(now + self._relay.settings.ping_interval_s, self.done_with_at(link)))
        wait, self.waiting = self.waiting, None
        self._link = link
        self._relay.note_answered(self._said)
        if self._told_id is None:
            self._told_id = hello.session_id
            self._pass_down(text)
        elif hello.session_id != self._told_id:
            link.session_id = hello.session_id
        if self.connection.outbox is not None:
            link.pause_reading()
        if self._listen is not None:  # the former upstream heard it, and this one has not
            self._pass_up(link, self._listen)
        if wait is not None:
            self._node.wheel.cancel(wait)
            self._pass_backlog(link, wait)

    def _pass_backlog(self, link: Link, wait: Wait) -> None:
        backlog = wait.backlog
        while backlog is not None and (message := backlog.take()) is not None:
            if isinstance(message, bytes):
                link.send_binary(message)
            else:
                self._pass_up(link, message)

    # -- the wait for an upstream ----------------------------------------------------------

    def on_late(self, wait: Wait) -> None:
        """It takes long: answer its hello ourselves, or say that nobody has heard it."""
        if self._told_id is None:
            self._answer_ourselves()
        if wait.is_urgent:
            wait.backlog = None  # too old to be worth hearing
            self._tell_cut()

    def take(self, link: Link) -> None:
        """An upstream was reached: say hello to it."""
        assert self.waiting is not None, "it was wanted"
        self.waiting.task = None
        self.waiting.link = link
        link.take(self, self._said)

    def on_refused(self, detail: str) -> None:
        """An upstream does not want this device, whoever else it takes."""
        self.connection.close(CloseReason.UPSTREAM_REFUSED, detail)

    # -- losing one ------------------------------------------------------------------------

    def on_lost(self, link: Link, broken: str) -> None:
        """The upstream has gone; `broken` says how, if it did not say goodbye."""
        was_talking = link is self._link and self._is_talking(link)
        if link is self._link:
            self._link = None
        if self.connection.lifecycle.reason is not None:
            return
        if link.code is not None and link.code not in _WILL_BE_BACK:
            self._code = (link.code, link.words)
            detail = f"code {link.code} {link.words}".rstrip()
            self.connection.close(CloseReason.UPSTREAM_CLOSED, detail)
            return
        self._relay.note_lost(self, link, broken, cut=was_talking)
        if self.waiting is not None:
            self.waiting.link = None
            self.waiting.avoid = link.upstream
            self.waiting.try_later(has_failed=True)
            return
        if was_talking:
            self._tell_cut()
        if self.connection.lifecycle.reason is not None:
            return
        if was_talking or self._relay.settings.open == "hello":
            within_s = self._relay.settings.reopen_within_s
            self._want_soon(within_s * URGENT_SHARE if was_talking else within_s)

    def _is_talking(self, link: Link) -> bool:
        if self._speaking:
            return True
        return link.is_used and self.connection.lifecycle.state is State.ACTIVE

    def _tell_cut(self) -> None:
        """Tell the device that its conversation was cut, as the settings say."""
        if self._speaking:
            self._speaking = False
            self._listen = None  # it says so again after the `stop`
        match self._relay.settings.on_cut:
            case "close":
                self.connection.close(CloseReason.UPSTREAM_LOST)
                return
            case "alert":
                message = self._relay.settings.cut_message
                alert = Alert(status="ERROR", message=message, emotion="sad")
                self._pass_down(encode_server_message(alert))
        stop = Tts(state="stop", session_id=self._told_id or "")
        self._pass_down(encode_server_message(stop))

    # -- idle ------------------------------------------------------------------------------

    def tell_idle(self) -> None:
        """Nothing was said for a while: a good moment to change to another upstream."""
        super().tell_idle()
        self.leave_draining()

    def leave_draining(self) -> None:
        """Leave an upstream that is to be empty, unless there is a conversation."""
        link = self._link
        if link is None or not link.upstream.draining or self._is_talking(link):
            return
        self.give_up(link)
        if self._relay.settings.open == "hello":
            self._want_soon(self._relay.settings.reopen_within_s)

    def _want_soon(self, within_s: float) -> None:
        dial_at = self._node.ticker.now + within_s * self._node.random.random()
        self.waiting = Wait(self, self._relay, dial_at=dial_at)
        self.waiting.arm()

    def done_with_at(self, link: Link) -> float:
        """Return when the upstream may be given up, if nothing is said until then."""
        settings = self._relay.settings
        if settings.open == "hello":
            return inf
        return max(self.connection.last_activity, link.last_data) + settings.release_after_s

    def is_done_with(self, link: Link, now: float) -> bool:
        """Whether nothing was said for so long that the upstream is given up."""
        return now >= self.done_with_at(link)

    def give_up(self, link: Link) -> None:
        """Go without an upstream until the device says something."""
        self._link = None
        self._listen = None
        self._speaking = False
        link.close("idle")

    # -- from the connection ---------------------------------------------------------------

    def pause_sending(self) -> None:
        """The device does not read, so its upstream is not heard."""
        if self._link is not None:
            self._link.pause_reading()

    def resume_sending(self) -> None:
        """The device reads again."""
        if self._link is not None:
            self._link.resume_reading()

    def farewell(self, reason: CloseReason) -> tuple[int | None, str]:
        """Pass an upstream's Close on with its own code, if it may be sent."""
        if reason is CloseReason.UPSTREAM_CLOSED and self._code is not None:
            code, words = self._code
            return (1000, "") if code == 1005 else (code, words)  # noqa: PLR2004 (RFC 6455 §7.1.5)
        return super().farewell(reason)

    def talk(self, now: float) -> Talk:
        """Return whether the device is in a conversation with its upstream."""
        connection = self.connection
        if self._speaking:
            return Talk.ANSWERING
        if connection.lifecycle.state is State.IDLE:
            return Talk.SILENT
        if self._listen is not None and now - connection.last_activity < RECORDED_S:
            return Talk.ASKING
        is_used = self.waiting is not None or (self._link is not None and self._link.is_used)
        said_s = now - max(connection.last_activity, connection.last_sent)
        return Talk.ASKING if is_used and said_s < UPSTREAM_ANSWER_S else Talk.SILENT

    def drop_audio(self) -> int:
        """Give up the audio that waits, for an upstream too; return how many frames."""
        backlog = None if self.waiting is None else self.waiting.backlog
        heard = 0 if backlog is None else backlog.drop_audio()
        self._node.counters.inbox_audio_dropped += heard
        return heard + super().drop_audio()

    def undelivered(self) -> tuple[str, ...]:
        """What an upstream said is not said again by another."""
        return ()

    def tell_closing(self) -> None:
        """The device's end has begun: so does that of its upstream."""
        super().tell_closing()
        self._leave()

    def end(self, reason: CloseReason) -> Awaitable[None] | None:
        """The device is gone, and holds no upstream any more."""
        self._leave()
        return super().end(reason)

    def _leave(self) -> None:
        wait, self.waiting = self.waiting, None
        if wait is not None:
            self._node.wheel.cancel(wait)
            wait.stop()
        link, self._link = self._link, None
        if link is not None:
            link.close("the device has left")
