from __future__ import annotations

from typing import Any

import httpx
import pytest

from keepline.admin.api import Readiness, create_api
from keepline.admin.enrolment import enrolment_routes
from keepline.gateway.enrolment.desk import WRONG_CODES
from tests.unit.gateway.enrolment.counter import ADDRESS, CLIENT, DEVICE, OTHER_CLIENT, Counter
from tests.unit.gateway.enrolment.test_endpoint import Full


async def no_metrics() -> bytes:
    return b""


async def asked(counter: Counter, path: str = "", body: Any = None) -> tuple[int, Any]:
    api = create_api(
        ready=lambda: Readiness(ready=True),
        metrics=no_metrics,
        routers=[enrolment_routes(counter.desk)],
    )
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        url = f"/api/enrolment{path}"
        answer = await (client.get(url) if body is None else client.post(url, json=body))
    return answer.status_code, answer.json()


async def test_who_waits_and_who_is_enrolled_is_told_without_their_secrets() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    code = await counter.code(OTHER_CLIENT, body={"board": {"name": "bread"}})
    status, answer = await asked(counter)
    known = {
        "device_id": DEVICE,
        "revoked": False,
        "enrolled_at": counter.clock.wall(),
        "vouched_by": "operator",
        "board": "",
        "address": ADDRESS,
    }
    assert status == 200
    assert answer["devices"] == [known]
    assert answer["waiting"] == [
        {
            "code": code,
            "device_id": DEVICE,
            "board": "bread",
            "serial": "",
            "address": ADDRESS,
            "client_guessable": False,
            "expires_in_s": 600.0,
            "former": known,
        }
    ]
    assert CLIENT not in str(answer)


async def test_a_device_is_looked_at_and_approved_by_its_code() -> None:
    counter = Counter()
    code = await counter.code()
    status, waiter = await asked(counter, "/look", {"code": code})
    assert (status, waiter["device_id"]) == (200, DEVICE)
    assert not await counter.is_told()
    status, _ = await asked(counter, "/approve", {"code": code, "device_id": DEVICE})
    assert status == 200
    assert await counter.is_told()


async def test_a_device_is_revoked_and_forgotten() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    status, entry = await asked(counter, "/revoke", {"device_id": DEVICE})
    assert (status, entry["revoked"]) == (200, True)
    assert await asked(counter, "/forget", {"device_id": DEVICE}) == (200, {"done": True})
    assert await asked(counter, "/forget", {"device_id": DEVICE}) == (200, {"done": False})


async def test_a_wrong_code_is_404_and_many_are_429() -> None:
    counter = Counter()
    for _ in range(WRONG_CODES):
        assert (await asked(counter, "/look", {"code": "000000"}))[0] == 404
    assert (await asked(counter, "/approve", {"code": "1", "device_id": DEVICE}))[0] == 429


async def test_a_ledger_that_fails_is_503() -> None:
    counter = Counter(Full())
    code = await counter.code()
    await counter.enrolment.open()
    known = {"device_id": "02:ab:00:00:00:07"}
    for path, body in (
        ("/approve", {"code": code, "device_id": DEVICE}),
        ("/revoke", {"device_id": DEVICE}),
        ("/forget", known),
    ):
        assert (await asked(counter, path, body))[0] == 503, path


@pytest.mark.parametrize(
    "body", [{}, {"device_id": ""}, {"device_id": "d" * 129}, {"device_id": 7}]
)
async def test_what_names_no_device_is_422(body: Any) -> None:
    assert (await asked(Counter(), "/revoke", body))[0] == 422
