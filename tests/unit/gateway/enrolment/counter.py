"""An enrolment without a socket: what is asked goes in, what is answered comes out."""

from __future__ import annotations

import asyncio
import hmac
import json
from io import StringIO
from itertools import count
from typing import Any

from keepline.clock import ManualClock
from keepline.errors import RefusedError
from keepline.gateway.auth import IssuedToken
from keepline.gateway.enrolment.desk import Desk
from keepline.gateway.enrolment.ledger import Ledger, Memory, Store
from keepline.gateway.enrolment.making import make_enrolment
from keepline.log import Log
from keepline.monitor.metrics import Counters
from keepline.settings import Settings
from tests.unit.gateway.fakes import device_request

DEVICE = "02:ab:00:00:00:01"
CLIENT = "5b6fcb26-3f65-4f2b-8e0a-1d3b5c7e9f01"
OTHER_CLIENT = "5b6fcb26-3f65-4f2b-8e0a-1d3b5c7e9f02"
ADDRESS = "192.0.2.1"
KEY = bytes(range(32))
PORT = 8_000


class Issuer:
    """Writes into a token whom it is for and when it was issued."""

    def issue(self, device_id: str, client_id: str, now_wall: float) -> IssuedToken:
        return IssuedToken(f"{device_id}/{client_id}/{now_wall}", None)


class Counter:
    """Where devices ask and operators look; time is moved by hand."""

    def __init__(
        self, store: Store | None = None, *, has_issuer: bool = True, **fields: Any
    ) -> None:
        fields.setdefault("policy", "activation")
        auth = {"token": "fleet", "insecure": fields.pop("insecure", False)}
        settings = Settings.model_validate({"enrolment": fields, "auth": auth})
        numbers = count(100)
        self.clock = ManualClock()
        self.counters = Counters()
        self.lines = StringIO()
        self.ledger = Ledger(store or Memory(), asyncio.get_running_loop(), None)
        self.enrolment = make_enrolment(
            settings,
            clock=self.clock,
            log=Log(self.lines, self.clock, level="debug", style="json", fold_per_s=10_000),
            counters=self.counters,
            ledger=self.ledger,
            issuer=Issuer() if has_issuer else None,
            executor=None,
            draw=lambda size: next(numbers).to_bytes(size),
        )
        self.desk = Desk(self.enrolment, self.clock, self.counters)

    async def ask(
        self,
        client: str = CLIENT,
        *,
        device_id: str = DEVICE,
        path: str = "/xiaozhi/ota/",
        body: Any = None,
        method: str = "POST",
        address: str = ADDRESS,
        **headers: str,
    ) -> tuple[int, Any]:
        """Return the status, and the answer or what a refusal says."""
        given = {"host": "gateway.lan", "device-id": device_id, "client-id": client}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = device_request(
            method=method,
            path=path,
            key=None,
            headers={name: value for name, value in given.items() if value},
            body=json.dumps({} if body is None else body).encode(),
            address=address,
        )
        try:
            response = await self.enrolment.answer(request, PORT)
        except RefusedError as error:
            self.refusal = error
            return error.reason.status or 0, error.detail
        head, _, rest = response.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(rest)

    async def activate(self, client: str = CLIENT, **options: Any) -> int:
        """Return the status of the activation's answer."""
        status, _ = await self.ask(client, path="/xiaozhi/ota/activate", **options)
        return status

    async def code(self, client: str = CLIENT, **options: Any) -> str:
        """Return the code a device is given."""
        status, answer = await self.ask(client, **options)
        assert status == 200, answer
        return str(answer["activation"]["code"])

    async def is_told(self, client: str = CLIENT, **options: Any) -> bool:
        """Whether this client is given a token."""
        status, answer = await self.ask(client, **options)
        return status == 200 and "websocket" in answer


def proof(challenge: str, key: bytes = KEY, serial: str = "S1") -> dict[str, str]:
    """Return what a device with a serial number posts."""
    code = hmac.digest(key, challenge.encode(), "sha256").hex()
    return {
        "algorithm": "hmac-sha256",
        "serial_number": serial,
        "challenge": challenge,
        "hmac": code,
    }
