"""The admin interface: what it answers to whom may ask."""

from __future__ import annotations

from typing import Annotated

import httpx
import pytest
from annotated_types import Ge
from fastapi import APIRouter
from pydantic import BaseModel

from keepline.admin.api import Readiness, create_api


class Size(BaseModel):
    """What is asked."""

    size_m: Annotated[float, Ge(0)]


async def _size(asked: Size) -> float:
    return asked.size_m


class Asked:
    """An interface without a server, and what its readiness should be."""

    def __init__(self) -> None:
        self.readiness = Readiness(ready=True)
        self.scrapes = 0
        router = APIRouter()
        router.add_api_route("/api/colour", lambda: "red")
        router.add_api_route("/api/size", _size, methods=["POST"])
        self.api = create_api(ready=lambda: self.readiness, metrics=self.metrics, routers=(router,))

    async def metrics(self) -> bytes:
        self.scrapes += 1
        return b"keepline_sessions 3.0\n"

    async def get(self, path: str) -> httpx.Response:
        return await self.ask("GET", path)

    async def ask(self, method: str, path: str, content: bytes = b"") -> httpx.Response:
        transport = httpx.ASGITransport(self.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, content=content)


@pytest.fixture
def asked() -> Asked:
    return Asked()


async def test_a_living_process_answers_healthz(asked: Asked) -> None:
    answer = await asked.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_a_ready_gateway_answers_readyz_with_200(asked: Asked) -> None:
    answer = await asked.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reason": ""})


@pytest.mark.parametrize("reason", ["draining", "full"])
async def test_a_gateway_that_takes_nobody_answers_readyz_with_503_and_the_reason(
    asked: Asked, reason: str
) -> None:
    asked.readiness = Readiness(ready=False, reason=reason)
    answer = await asked.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "reason": reason})


async def test_how_far_a_drain_is_stands_in_readyz(asked: Asked) -> None:
    drain = {"phase": "leaving", "left": 7, "eta_s": 3.5}
    asked.readiness = Readiness(ready=False, reason="draining", drain=drain)
    answer = await asked.get("/readyz")
    assert answer.json() == {"ready": False, "reason": "draining", "drain": drain}


async def test_metrics_are_read_anew_at_each_scrape(asked: Asked) -> None:
    first, second = await asked.get("/metrics"), await asked.get("/metrics")
    assert first.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert first.content == second.content == b"keepline_sessions 3.0\n"
    assert asked.scrapes == 2


async def test_routes_of_other_subjects_are_answered_and_described(asked: Asked) -> None:
    assert (await asked.get("/api/colour")).json() == "red"
    assert "/api/colour" in (await asked.get("/openapi.json")).json()["paths"]


async def test_the_interface_describes_itself_without_pages_from_other_hosts(asked: Asked) -> None:
    description = (await asked.get("/openapi.json")).json()
    assert set(description["paths"]) == {
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/colour",
        "/api/size",
    }
    assert (await asked.get("/docs")).status_code == 404


@pytest.mark.parametrize("path", ["/nothing", "/healthz/"])
async def test_an_unknown_path_is_not_found(asked: Asked, path: str) -> None:
    assert (await asked.get(path)).status_code == 404


@pytest.mark.parametrize(
    "body", [b'{"size_m": NaN}', b'{"size_m": -Infinity}', b"\xff\xfe", b'{"size_m', b"", b"[NaN]"]
)
async def test_a_wrong_request_is_told_what_is_wrong_and_not_what_it_was(
    asked: Asked, body: bytes
) -> None:
    answer = await asked.ask("POST", "/api/size", body)
    assert answer.status_code == 422
    [wrong] = answer.json()["detail"]
    assert set(wrong) == {"type", "loc", "msg"}
