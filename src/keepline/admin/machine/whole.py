"""What is asked of the machine, and how its workers' answers become one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote

from keepline.admin.machine import combined, summed
from keepline.admin.machine.exposition import labelled
from keepline.admin.machine.glance import glance
from keepline.admin.machine.workers import NOBODY, Question, Reply
from keepline.admin.page import is_of_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from keepline.admin.guard import Application, Receive, Send
    from keepline.admin.machine.workers import Workers

    Answer = Callable[[Question], Awaitable[Reply]]

ONE_WORKER: Final = re.compile(r"/workers/(\d{1,2})(/.*)")
OURS: Final = frozenset({"/healthz", "/openapi.json", "/api/enrolment"})
"""What whoever is asked answers for itself. So is what goes to a device: the hub finds it."""

BODY_BYTES: Final = 65_536  # which the guard has seen to
LIMIT: Final = 100  # on a page, where nobody says how many
OK: Final = 200
NOT_FOUND: Final = 404
CONFLICT: Final = 409
UNREADY: Final = 503
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Whole:
    """An ASGI application in front of one worker's own.

    It answers for all workers where their answers can be made one. `/workers/2/…` is what worker 2
    alone answers, and everything else has to be asked so.
    """

    def __init__(self, own: Application, workers: Workers) -> None:
        self._own = own
        self._workers = workers
        self._answers: dict[tuple[str, str], Answer] = {
            ("GET", "/readyz"): self._readyz,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/api/workers"): self._listed,
            ("GET", "/api/glance"): self._glance,
            ("GET", "/api/sessions"): self._sessions,
            ("GET", "/api/sessions/table"): self._table,
            ("GET", "/api/monitor/series"): self._series,
            ("GET", "/api/events"): self._events,
            ("GET", "/api/alerts"): self._alerts,
            ("POST", "/api/alerts/acknowledge"): self._acknowledge,
            ("POST", "/api/alerts/silence"): self._silence,
            ("POST", "/api/alerts/unsilence"): self._unsilence,
            ("POST", "/api/enrolment/revoke"): self._by_all,
            ("POST", "/api/enrolment/forget"): self._by_all,
            ("GET", "/api/bans"): self._bans,
            ("POST", "/api/bans/lift"): self._bans,
            **{
                ("POST", f"/api/drain{verb}"): self._drain
                for verb in ("", "/pause", "/resume", "/abort")
            },
            ("GET", "/api/drain"): self._drain,
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        method, path = scope["method"], scope["path"]
        to_device = method == "POST" and path.startswith("/api/devices/") and path.endswith("/send")
        if path in OURS or to_device or is_of_page(path):
            await self._own(scope, receive, send)
            return
        question = Question(
            method, quote(path), scope["query_string"].decode("latin-1"), await _body(receive)
        )
        one = ONE_WORKER.fullmatch(path)
        if one is not None:
            asked = question._replace(path=quote(one[2]))
            await _say(send, await self._of_one(int(one[1]), asked))
            return
        answer = self._answers.get((method, path))
        if answer is None and path.startswith("/api/devices/"):
            answer = self._kick if method == "POST" else self._device
        await _say(send, await (answer or self._nobody_knows)(question))

    # -- one of them -----------------------------------------------------------------------

    async def _of_one(self, slot: int, question: Question) -> Reply:
        if slot not in self._workers.slots():
            return _refused(NOT_FOUND, f"there is no worker {slot}: {self._who()}")
        reply = await self._workers.ask(slot, question)
        return reply if reply.status != NOBODY else _refused(NOBODY, f"worker {slot} is silent")

    async def _nobody_knows(self, question: Question) -> Reply:
        why = (
            f"this is asked of one worker: below /workers/1{question.path}, in commands with"
            f" /workers/1 behind --admin-url; {self._who()}"
        )
        return _refused(CONFLICT, why)

    def _who(self) -> str:
        return f"there are {', '.join(map(str, self._workers.slots()))}"

    # -- all of them -----------------------------------------------------------------------

    async def _readyz(self, question: Question) -> Reply:
        found = await self._documents(question, {OK, UNREADY})
        if not found:
            return _refused(NOBODY, "no worker answers")
        told = combined.readiness(found)
        return _json(told, OK if told["ready"] else UNREADY)

    async def _metrics(self, question: Question) -> Reply:
        replies = await self._workers.ask_all(question)
        texts = {each.slot: each.body.decode() for each in replies if each.is_good}
        text = labelled(texts, [each.slot for each in replies])
        return Reply(0, OK, text.encode(), TEXT)

    async def _listed(self, _question: Question) -> Reply:
        ready = await self._documents(Question("GET", "/readyz"), {OK, UNREADY})
        here = await self._documents(Question("GET", "/api/sessions", "limit=1"))
        told = [
            {
                "worker": slot,
                "ready": slot in ready and ready[slot]["ready"],
                "reason": ready[slot]["reason"] if slot in ready else "silent",
                "sessions": here[slot]["total"] if slot in here else None,
            }
            for slot in self._workers.slots()
        ]
        return _json({"workers": told})

    async def _sessions(self, question: Question) -> Reply:
        replies = await self._workers.ask_all(question)
        whole = all(each.status != NOBODY for each in replies)
        return _made(replies, lambda found: combined.sessions(found, _limit(question), whole=whole))

    async def _device(self, question: Question) -> Reply:
        return _made(await self._workers.ask_all(question), combined.device)

    async def _kick(self, question: Question) -> Reply:
        return _first(await self._workers.ask_all(question))

    # -- the dashboard ---------------------------------------------------------------------

    async def _glance(self, question: Question) -> Reply:
        replies = await self._workers.ask_all(question)
        slots = [each.slot for each in replies]
        return _made(replies, lambda found: glance(found, slots))

    async def _table(self, question: Question) -> Reply:
        replies = await self._workers.ask_all(question)
        return _made(replies, lambda found: combined.table(found, _limit(question)))

    async def _series(self, question: Question) -> Reply:
        return _made(await self._workers.ask_all(question), summed.series)

    async def _events(self, question: Question) -> Reply:
        """Tell the newest of one device; a worker's numbers are no place to go on from for all."""
        asked = parse_qs(question.query)
        if "device" not in asked or "after" in asked:
            return await self._nobody_knows(question)
        replies = await self._workers.ask_all(question)
        return _made(replies, lambda found: combined.events(found, _limit(question)))

    # -- what all have to do ---------------------------------------------------------------

    async def _by_all(self, question: Question) -> Reply:
        """Have all do it: one that has not is as bad as none."""
        replies = await self._workers.ask_all(question)
        failed = next((each for each in replies if not each.is_good), None)
        if failed is not None and failed.status == NOBODY:
            return _refused(NOBODY, f"worker {failed.slot} has not answered: ask again")
        return failed or _first(replies)

    async def _drain(self, question: Question) -> Reply:
        return _made(await self._workers.ask_all(question), combined.drain)

    async def _bans(self, question: Question) -> Reply:
        return _made(await self._workers.ask_all(question), combined.bans)

    # -- alerts ----------------------------------------------------------------------------

    async def _alerts(self, question: Question) -> Reply:
        return _made(await self._workers.ask_all(question), combined.alerts)

    async def _acknowledge(self, question: Question) -> Reply:
        asked = _parsed(question.body)
        slot, number = combined.of_worker(_number(asked))
        own = question._replace(body=json.dumps({**asked, "number": number}).encode())
        reply = await self._of_one(slot, own)
        if not reply.is_good:
            return reply
        return _json(combined.of_machine(slot, json.loads(reply.body)))

    async def _silence(self, question: Question) -> Reply:
        reply = _first(await self._workers.ask_all(question))
        if not reply.is_good:
            return reply
        return _json(combined.of_machine(reply.slot, json.loads(reply.body)))

    async def _unsilence(self, question: Question) -> Reply:
        """Lift what was silenced by all workers together, by the number that one of them has."""
        slot, number = combined.of_worker(_number(_parsed(question.body)))
        kept = await self._documents(Question("GET", "/api/alerts"))
        by_number = {each["number"]: each for each in kept.get(slot, {}).get("silences", ())}
        if number not in by_number:
            return _refused(NOT_FOUND, f"there is no silence {number * combined.NUMBERED + slot}")
        reply = _refused(NOBODY, "no worker answers")
        for other, document in kept.items():
            for each in document["silences"]:
                if _alike(each) == _alike(by_number[number]):
                    body = json.dumps({"number": each["number"]}).encode()
                    reply = await self._workers.ask(other, question._replace(body=body))
        return reply

    async def _documents(
        self, question: Question, statuses: set[int] | None = None
    ) -> dict[int, dict[str, Any]]:
        replies = await self._workers.ask_all(question)
        good = [each for each in replies if each.status in (statuses or {OK})]
        return {each.slot: json.loads(each.body) for each in good}


def _made(replies: list[Reply], make: Callable[[combined.Answers], Any]) -> Reply:
    """Return what is made of the good answers; the best of the bad ones, when there is no other."""
    good = {each.slot: json.loads(each.body) for each in replies if each.is_good}
    return _json(make(good)) if good else _first(replies)


def _first(replies: list[Reply]) -> Reply:
    """Return one that did it, else the one that says most: that none of them has it says least."""
    best = sorted(replies, key=lambda each: (not each.is_good, each.status == NOT_FOUND))
    if not best or best[0].status == NOBODY:
        return _refused(NOBODY, "a worker has not answered")
    return best[0]


def _limit(question: Question) -> int:
    """Return how many are to be on a page; asked only once a worker has found that in order."""
    return int(parse_qs(question.query).get("limit", [LIMIT])[-1])


def _alike(silence: dict[str, Any]) -> tuple[str, ...]:
    return tuple(silence[name] for name in ("about", "kind", "by", "note"))


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(asked: dict[str, Any]) -> int:
    number = asked.get("number")
    return number if isinstance(number, int) and number >= 0 else 0


def _json(told: Any, status: int = OK) -> Reply:
    return Reply(0, status, json.dumps(told).encode())


def _refused(status: int, detail: str) -> Reply:
    return _json({"detail": detail}, status)


async def _body(receive: Receive) -> bytes:
    found = b""
    while len(found) <= BODY_BYTES:
        message = await receive()
        found += message.get("body", b"")
        if not message.get("more_body"):
            break
    return found


async def _say(send: Send, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
