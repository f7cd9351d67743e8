"""The connection to the engine, and the only module that knows its client.

What the client does by itself is not relied on: it buffers nothing, it does not connect again, it
is asked for a round trip every few seconds. What is lost, or does not answer, is made anew.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import nats.errors
from nats.aio.client import Client

from keepline.errors import HubDownError, NoAnswerError, StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nats.aio.msg import Msg

OPEN_S: Final = 10.0  # for the first connection
CONNECT_S: Final = 2.0
CLOSE_S: Final = 2.0
PING_EACH_S: Final = 5
PROBE_EACH_S: Final = 5.0
PROBE_S: Final = 2.0
PROBES: Final = 3
"""So many without an answer on a connection that looks alive, and it is made anew."""

RECONNECT_S: Final = (0.25, 1.0)
NOBODY: Final = "503"
"""The engine's own answer for a subject that nobody listens to."""

OLDEST: Final = (2, 11)
"""The first version that can fence a write to one subject by the sequence of another."""


class Address(NamedTuple):
    """Where the engine is, and how one gets in."""

    servers: Sequence[str]
    credentials: Path | None = None


class Mail(NamedTuple):
    """What came: `status` is the server's, empty for an answer of somebody."""

    subject: str
    data: bytes
    reply: str = ""
    headers: Mapping[str, str] = {}

    @property
    def status(self) -> str:
        """Return the server's own code, empty for none."""
        return self.headers.get("Status", "")


class Link:
    """One connection, made again until `close`. `on_change` is told when it is lost and back."""

    def __init__(
        self,
        address: Address,
        name: str,
        *,
        draw: Callable[[], float],
        on_change: Callable[[], None],
        probe_each_s: float = PROBE_EACH_S,
    ) -> None:
        self.last_error: Exception | None = None
        self.made = 0  # connections after the first
        self._address = address
        self._name = name
        self._draw = draw
        self._on_change = on_change
        self._probe_each_s = probe_each_s
        self._client: Client | None = None
        self._heard: dict[str, Callable[[Mail], None]] = {}
        self._loop = asyncio.get_running_loop()
        self._inbox = f"_INBOX.{name}"
        self._asked = 0
        self._asking: dict[str, tuple[asyncio.Future[Mail], list[Mail] | None]] = {}
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._client is not None and self._client.is_connected

    async def open(self) -> None:
        """Connect for the first time. Raises StartError with what to do next."""
        await self.listen(f"{self._inbox}.*", self._on_answer)
        deadline = self._loop.time() + OPEN_S
        while not await self._connect():
            refused = isinstance(self.last_error, nats.errors.AuthorizationError)
            if refused or self._loop.time() >= deadline:
                raise _unreachable(self._address.servers, self.last_error)
            await asyncio.sleep(self._pause_s())
        assert self._client is not None
        version = self._client.connected_server_version
        if (version.major, version.minor) < OLDEST:
            await self.close()
            raise StartError(
                f"nats-server {version.major}.{version.minor} is too old: its fence came with"
                f" {OLDEST[0]}.{OLDEST[1]}",
                "install a newer nats-server (a distribution's own is often older)",
            )
        self._watching = self._loop.create_task(self._watch())

    async def close(self) -> None:
        """Disconnect for good; idempotent."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            self._watching = None
        client = self._client
        self._forget()
        if client is not None:
            await _close(client)

    async def until_up(self, within_s: float) -> None:
        """Return when there is a connection, or after `within_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._up.wait()

    async def listen(self, subject: str, on_mail: Callable[[Mail], None]) -> None:
        """Have `on_mail` called with all that is sent to `subject`, also by a later connection.

        It is called in the loop, one after another: whatever takes longer is a task of its own.
        """
        self._heard[subject] = on_mail
        if self._client is not None:
            await _subscribe(self._client, subject, on_mail)

    async def tell(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None = None,
        reply: str = "",
    ) -> None:
        """Send something. Raises HubDownError when there is no connection to send it by."""
        client = self._connected()
        given = None if headers is None else {**headers}
        try:
            await client.publish(subject, data, reply=reply, headers=given)
        except (nats.errors.Error, OSError) as error:
            raise HubDownError(f"the engine is away: {error}") from None

    async def ask(
        self,
        subject: str,
        data: bytes,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        gather: list[Mail] | None = None,
    ) -> Mail | None:
        """Send something and return the answer; None, at once, when nobody listens there.

        Raises HubDownError when it was not sent, NoAnswerError when its outcome is unknown. Of
        several answers the last one, with the engine's own status, is returned; others `gather`.
        """
        self._asked += 1
        place = str(self._asked)
        answered: asyncio.Future[Mail] = self._loop.create_future()
        self._asking[place] = answered, gather
        late = self._loop.call_later(timeout_s, _give_up, answered, f"within {timeout_s:g} s")
        try:
            await self.tell(subject, data, headers, reply=f"{self._inbox}.{place}")
            mail = await answered
        finally:
            late.cancel()
            del self._asking[place]
        return None if mail.status == NOBODY and not mail.data else mail

    async def flush(self) -> None:
        """Have the engine take, and send, all until now. Raises HubDownError."""
        client = self._connected()
        try:
            async with asyncio.timeout(PROBE_S):
                await client.flush(int(PROBE_S))
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise HubDownError(f"the engine does not answer: {error}") from None

    def _connected(self) -> Client:
        client = self._client
        if client is not None and client.is_closed:  # it does not always say so
            self._forget()
            self._on_change()
        if client is None or not client.is_connected:
            raise HubDownError(f"the engine is away: {self.last_error or 'not connected'}")
        return client

    async def _connect(self) -> bool:
        """Try every server once, in any order; return whether there is a connection."""
        servers = list(self._address.servers)
        while servers:
            server = servers.pop(int(self._draw() * len(servers)))
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._connect_to(server)
            except (TimeoutError, nats.errors.Error, OSError, ValueError) as error:
                if not isinstance(error, nats.errors.NoServersError):  # which says nothing
                    self.last_error = error
            else:
                return True
        return False

    async def _connect_to(self, server: str) -> None:
        client = Client()

        async def on_lost() -> None:
            if self._client is client:
                self._forget()
                self._on_change()

        try:
            await client.connect(
                servers=[server],
                name=self._name,
                error_cb=self._on_error,
                disconnected_cb=on_lost,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=int(CONNECT_S),
                ping_interval=PING_EACH_S,
                max_outstanding_pings=2,
                pending_size=0,  # refused at once, and never sent later behind somebody's back
                user_credentials=(
                    None if self._address.credentials is None else str(self._address.credentials)
                ),
            )
            for subject, on_mail in self._heard.items():
                await _subscribe(client, subject, on_mail)
            await client.flush(int(CONNECT_S))
        except BaseException:
            await _close(client)
            raise
        self._client = client
        self._down.clear()
        self._up.set()

    def _pause_s(self) -> float:
        """Return how long to wait for the next try: for every node another while."""
        least_s, most_s = RECONNECT_S
        return least_s + self._draw() * (most_s - least_s)

    async def _watch(self) -> None:
        """Connect again when the connection is lost; replace one that answers nothing."""
        unanswered = 0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._probe_each_s):
                    await self._down.wait()
            if self._client is not None:
                try:
                    await self.flush()
                    unanswered = 0
                except HubDownError as error:
                    self.last_error = error
                    unanswered += 1
            client = self._client
            if client is not None and (client.is_closed or unanswered >= PROBES):
                self._forget()
                self._on_change()
                await _close(client)
            if self._client is None:
                unanswered = 0
                await asyncio.sleep(self._draw() * RECONNECT_S[0])
                await self._connect_again()
                self.made += 1
                self._on_change()

    async def _connect_again(self) -> None:
        while True:
            if await self._connect():
                return
            await asyncio.sleep(self._pause_s())

    def _forget(self) -> None:
        """The connection is lost; answers do not find one that is made later."""
        client, self._client = self._client, None
        self._up.clear()
        self._down.set()
        if client is not None and client.is_closed:
            _clear_away(client)
        for answered, _ in self._asking.values():
            _give_up(answered, "before the connection was lost")

    async def _on_error(self, error: Exception) -> None:
        self.last_error = error

    def _on_answer(self, mail: Mail) -> None:
        asked = self._asking.get(mail.subject.rpartition(".")[2])
        if asked is None:
            return
        answered, gather = asked
        if gather is not None and not mail.status:
            gather.append(mail)
        elif not answered.done():
            answered.set_result(mail)


def _mail(message: Msg) -> Mail:
    return Mail(message.subject, message.data, message.reply, message.headers or {})


async def _subscribe(client: Client, subject: str, on_mail: Callable[[Mail], None]) -> None:
    async def heard(message: Msg) -> None:
        on_mail(_mail(message))

    await client.subscribe(subject, cb=heard)


async def _close(client: Client) -> None:
    # uvloop has a RuntimeError for what is closed already.
    with suppress(TimeoutError, nats.errors.Error, OSError, RuntimeError):
        async with asyncio.timeout(CLOSE_S):
            await client.close()
    _clear_away(client)


def _clear_away(client: Client) -> None:
    """Take what its own end leaves behind when it fails in the middle."""
    # No other way leads there, and how its tasks end is nobody's failure.
    for subscription in list(client._subs.values()):  # noqa: SLF001
        if subscription._wait_for_msgs_task is not None:  # noqa: SLF001
            subscription._wait_for_msgs_task.cancel()  # noqa: SLF001
    for task in (client._reading_task, client._flusher_task, client._ping_interval_task):  # noqa: SLF001
        if task is not None:
            task.add_done_callback(_heard)
            if task is not asyncio.current_task():
                task.cancel()
    if client._transport is not None:  # noqa: SLF001
        client._transport.close()  # type: ignore[no-untyped-call]  # noqa: SLF001


def _heard(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


def _give_up(answered: asyncio.Future[Mail], when: str) -> None:
    if not answered.done():
        answered.set_exception(NoAnswerError(f"no answer {when}"))
        answered.exception()  # perhaps it could not even be sent


def _unreachable(servers: Sequence[str], error: Exception | None) -> StartError:
    shown = ", ".join(re.sub(r"//[^/@]*@", "//", server) for server in servers)  # no passwords
    return StartError(
        f"cannot reach the cluster at {shown}: {error or 'no answer'}",
        "start a nats-server with JetStream there (nats-server -js), or correct cluster.servers",
    )
