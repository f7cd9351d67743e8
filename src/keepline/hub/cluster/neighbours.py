"""What nodes ask of each other, over one subscription of each: a command, a device, how one is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import DecodeError, Struct, ValidationError, msgpack

from keepline.errors import CommandError, HubDownError, HubError, NoAnswerError, NotConnectedError
from keepline.hub.cluster.directory import Yield
from keepline.hub.cluster.records import (
    HEARTBEAT,
    NODE,
    Beat,
    Owner,
    encode,
    name_of,
    read_beat,
    token,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from keepline.hub.cluster.link import Link, Mail
    from keepline.hub.cluster.peers import Peers
    from keepline.hub.port import NodeView

MOST_ANSWERS: Final = 2_000
"""Questions of others that are answered at a time; any more are told that we are busy."""

GIVE_UP_S: Final = 3.0  # a session is given two to say what it leaves
WHERE_S: Final = 2.0
COMMAND_S: Final = 30.0  # the asker has a bound of its own, and this much at most

OK: Final = "ok"
NOT_HERE: Final = "not_here"
NO_COMMAND: Final = "no_command"
BUSY: Final = "busy"


class Answer(Struct, frozen=True, array_like=True):
    """What a node answers another."""

    result: str
    data: bytes = b""


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Answer).decode


class Here(Protocol):
    """A node as others ask it; each raises NotConnectedError when the device is not here."""

    async def let_go(self, device_id: str, number: int) -> None:
        """End the session that has the device by this claim, its state saved first."""

    async def carry(self, device_id: str, payload: bytes) -> bytes:
        """Carry a command; see `Holder.command`."""

    def describe(self, device_id: str) -> tuple[str, str]:
        """Return state and health."""

    def on_namesake(self, life: str) -> None:
        """Another life has this node's name; told once."""


class Neighbours:
    """Asks other nodes, and has `here` answer them."""

    def __init__(self, link: Link, peers: Peers, *, life: str, node: str, here: Here) -> None:
        self._link = link
        self._peers = peers
        self._life = life
        self._node = node
        self._here = here
        self._loop = asyncio.get_running_loop()
        self._answers: set[asyncio.Task[None]] = set()
        self._namesakes: set[str] = set()

    async def start(self) -> None:
        """Listen. Raises HubDownError."""
        await self._link.listen(f"{HEARTBEAT}*", self._on_beat)
        await self._link.listen(f"{NODE}{self._life}.*.*", self._on_question)

    async def stop(self) -> None:
        """Answer nobody any more."""
        for task in self._answers:
            task.cancel()
        if self._answers:
            await asyncio.wait(set(self._answers))

    async def beat(self, load: NodeView, *, leaves: bool = False) -> None:
        """Tell the others how this node is. Raises HubDownError."""
        beat = Beat(load.name, load.sessions, load.limit, load.draining, leaves)
        await self._link.tell(HEARTBEAT + self._life, encode(beat))

    async def ask_holder(self, owner: Owner, number: int, device_id: str) -> Yield:
        """Ask the node that holds a device to give it up; see `directory.AskHolder`."""
        if self._peers.is_overdue(owner.life):
            return Yield.DEAD
        try:
            answer = await self.ask(owner.life, "yield", device_id, str(number).encode(), GIVE_UP_S)
        except HubError:
            return Yield.SILENT
        if answer is None:
            # Two lives of one node are there in an upgrade alone, and then both answer. Of another
            # node it proves nothing: it may be connecting to another server at this moment.
            return Yield.DEAD if owner.node == self._node else Yield.SILENT
        return Yield.GIVEN if answer.result in {OK, NOT_HERE} else Yield.SILENT

    async def ask(
        self, life: str, verb: str, device_id: str, data: bytes, timeout_s: float
    ) -> Answer | None:
        """Ask a node; None, at once, when it is not there. Raises NoAnswerError, HubDownError."""
        subject = f"{NODE}{life}.{verb}.{token(device_id)}"
        mail = await self._link.ask(subject, data, timeout_s)
        if mail is None:
            return None
        try:
            return _decode(mail.data)
        except (DecodeError, ValidationError):
            raise NoAnswerError(f"{life} answered something unknown") from None

    def _on_beat(self, mail: Mail) -> None:
        life = mail.subject.removeprefix(HEARTBEAT)
        beat = read_beat(mail.data)
        if beat is None or life == self._life:
            return
        self._peers.heard(life, beat)
        if beat.node == self._node and life not in self._namesakes:
            self._namesakes.add(life)
            self._here.on_namesake(life)

    def _on_question(self, mail: Mail) -> None:
        if len(self._answers) >= MOST_ANSWERS:
            self._hold(self._reply(mail, Answer(BUSY)))
        else:
            self._hold(self._answer(mail))

    def _hold(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, mail: Mail) -> None:
        _, verb, coded = mail.subject.removeprefix(NODE).split(".")
        try:
            answer = await self._answer_of(verb, name_of(coded), mail.data)
        except NotConnectedError:
            answer = Answer(NOT_HERE)
        except CommandError as error:
            answer = Answer(NO_COMMAND, str(error).encode())
        except (TimeoutError, HubError, ValueError):
            answer = Answer(BUSY)
        await self._reply(mail, answer)

    async def _answer_of(self, verb: str, device_id: str, data: bytes) -> Answer:
        if verb == "yield":
            await self._here.let_go(device_id, int(data))
            return Answer(OK)
        if verb == "where":
            return Answer(OK, "\n".join(self._here.describe(device_id)).encode())
        if verb == "cmd":
            async with asyncio.timeout(COMMAND_S):
                return Answer(OK, await self._here.carry(device_id, data))
        raise ValueError(verb)

    async def _reply(self, mail: Mail, answer: Answer) -> None:
        if mail.reply:
            try:
                await self._link.tell(mail.reply, _encode(answer))
            except HubDownError:
                return  # who asked hears nothing, and asks again or says so
