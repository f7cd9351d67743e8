"""A stream of the engine: writes that are refused when somebody was first, and reads of the last.

Decisions are taken by what a write answers, never by a read: with several servers one may be old.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import DecodeError, Struct, ValidationError, json

from keepline.errors import HubDownError, NoAnswerError, StartError
from keepline.hub.cluster.records import DEVICES, OWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keepline.hub.cluster.link import Link, Mail

ANSWER_S: Final = 2.0
"""For one write or read: afterwards its outcome is looked up, or it is done again."""

MOST_AT_ONCE: Final = 500
"""Requests under way: the client has no bound of its own once it buffers nothing."""

_NEVER: Final = 1 << 52  # no sequence is that high

_OTHER_SEQUENCE: Final = 10071
_NO_SUCH_STREAM: Final = 10059
_NO_MESSAGE: Final = 10037
_NAME_IN_USE: Final = 10058


class _Fault(Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Stored(Struct):
    seq: int = 0
    data: str = ""


class _Answer(Struct):
    error: _Fault | None = None
    seq: int = 0
    duplicate: bool = False
    message: _Stored | None = None
    config: dict[str, Any] = {}


class Kept(NamedTuple):
    """The last message of a subject."""

    sequence: int
    data: bytes


class Found(NamedTuple):
    """A message that was come across."""

    sequence: int
    subject: str
    data: bytes


class Fence(NamedTuple):
    """A write is refused unless the last message of `subject` is this one."""

    subject: str
    sequence: int


class Streams:
    """Streams over one connection. `on_trouble` is told when devices cannot be claimed, and can.

    They can once a write was answered: without a leader a read may be answered all the same.
    """

    def __init__(self, link: Link, on_trouble: Callable[[Exception | None], None]) -> None:
        self.trouble: Exception | None = None  # why devices cannot be claimed now
        self._link = link
        self._on_trouble = on_trouble
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)

    async def write(
        self,
        stream: str,
        subject: str,
        data: bytes,
        *,
        fence: Fence | None = None,
        message_id: str | None = None,
    ) -> int | None:
        """Write, and return the sequence; None when the fence is not what it was.

        Raises HubDownError, also when it may have been written all the same.
        """
        headers = {"Nats-Expected-Stream": stream}
        if fence is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(fence.sequence)
            if fence.subject != subject:
                headers["Nats-Expected-Last-Subject-Sequence-Subject"] = fence.subject
        if message_id is not None:
            headers["Nats-Msg-Id"] = message_id
        answer = _decode((await self._ask(stream, subject, data, headers)).data)
        is_other = answer.error is not None and answer.error.err_code == _OTHER_SEQUENCE
        if (answer.error is None or is_other) and stream == DEVICES and self.trouble is not None:
            self.trouble = None
            self._on_trouble(None)
        if answer.error is None:
            return answer.seq
        if is_other:
            return None
        raise self._refused(stream, answer.error)

    async def read(self, stream: str, subject: str, *, from_leader: bool) -> Kept | None:
        """Return the last of a subject; only the leader's is never old. Raises HubDownError."""
        if not from_leader:
            mail = await self._ask(stream, f"$JS.API.DIRECT.GET.{stream}.{subject}", b"")
            if mail.status == "404":
                return None
            if mail.status:
                raise self._refused(stream, _Fault(int(mail.status), 0, "a read was refused"))
            return Kept(int(mail.headers["Nats-Sequence"]), mail.data)
        asked = json.encode({"last_by_subj": subject})
        answer = _decode((await self._ask(stream, f"$JS.API.STREAM.MSG.GET.{stream}", asked)).data)
        if answer.error is not None:
            if answer.error.err_code == _NO_MESSAGE:
                return None
            raise self._refused(stream, answer.error)
        found = answer.message or _Stored()
        return Kept(found.seq, base64.b64decode(found.data))

    async def page(self, stream: str, subjects: str, after: int, count: int) -> list[Found]:
        """Return the next messages of such subjects by their sequence. Raises HubDownError."""
        asked = json.encode({"seq": after + 1, "next_by_subj": subjects, "batch": count})
        mails: list[Mail] = []
        await self._ask(stream, f"$JS.API.DIRECT.GET.{stream}", asked, gather=mails)
        return [
            Found(int(mail.headers["Nats-Sequence"]), mail.headers["Nats-Subject"], mail.data)
            for mail in mails
        ]

    async def delete(self, stream: str, sequence: int) -> None:
        """Remove one message, if it is still there. Raises HubDownError."""
        await self._ask(stream, f"$JS.API.STREAM.MSG.DELETE.{stream}", b'{"seq":%d}' % sequence)

    async def make(self, config: Mapping[str, Any]) -> None:
        """Have a stream be there, as it is if it is there. Raises StartError, HubDownError."""
        name = config["name"]
        answer = _decode((await self._ask(name, f"$JS.API.STREAM.INFO.{name}", b"")).data)
        if answer.error is not None and answer.error.err_code == _NO_SUCH_STREAM:
            asked = json.encode(config)
            answer = _decode((await self._ask(name, f"$JS.API.STREAM.CREATE.{name}", asked)).data)
            if answer.error is not None and answer.error.err_code == _NAME_IN_USE:
                answer = _decode((await self._ask(name, f"$JS.API.STREAM.INFO.{name}", b"")).data)
        if answer.error is not None:
            raise StartError(
                f"cannot make the stream {name}: {answer.error.description}",
                "JetStream needs room, and as many servers as cluster.replicas says",
            )
        for key in ("max_msgs_per_subject", "allow_direct"):
            if key in config and answer.config.get(key) != config[key]:
                raise StartError(
                    f"the stream {name} has {key} {answer.config.get(key)}, not {config[key]}",
                    "it was made by something else: remove it, or give Keepline its own account",
                )

    async def probe(self) -> None:
        """Find out whether devices can be claimed, by a write that is refused. HubDownError."""
        subject = f"{OWN}="
        await self.write(DEVICES, subject, b"", fence=Fence(subject, _NEVER))

    def lost(self) -> None:
        """The connection is lost: nobody has to ask to know that the engine is away."""
        self._down(DEVICES, HubDownError("the engine is away: the connection is lost"))

    async def _ask(
        self,
        stream: str,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None = None,
        gather: list[Mail] | None = None,
    ) -> Mail:
        async with self._at_once:
            try:
                mail = await self._link.ask(subject, data, ANSWER_S, headers, gather)
            except NoAnswerError as error:
                raise self._down(
                    stream, HubDownError(f"the engine does not answer: {error}")
                ) from None
            except HubDownError as error:
                raise self._down(stream, error) from None
        if mail is None or mail.status == "503":
            raise self._down(
                stream, HubDownError("the engine has no JetStream, or no leader just now")
            )
        return mail

    def _refused(self, stream: str, fault: _Fault) -> HubDownError:
        return self._down(stream, HubDownError(f"the engine refused: {fault.description}"))

    def _down(self, of: str, error: HubDownError) -> HubDownError:
        if of == DEVICES and self.trouble is None:
            self.trouble = error
            self._on_trouble(error)
        return error


def _decode(data: bytes) -> _Answer:
    try:
        return json.decode(data, type=_Answer)
    except (DecodeError, ValidationError) as error:
        raise HubDownError(f"the engine answered something unknown: {error}") from None
