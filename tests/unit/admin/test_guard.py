"""Who may use the admin interface: each check refuses alone, and what passes all is answered."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from keepline.admin.guard import BODY_BYTES, Guard
from keepline.clock import ManualClock
from keepline.errors import StartError
from keepline.log import Log
from keepline.settings.server import Admin

TOKEN = "admin-t0ken"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Change(BaseModel):
    to: str = ""


class Guarded:
    """An application of three routes behind a guard."""

    def __init__(self, host: str = "127.0.0.1", token: str | None = None) -> None:
        self.lines = StringIO()
        api = FastAPI()
        api.get("/healthz")(lambda: "alive")
        api.get("/api/colour")(lambda: "red")
        api.get("/api/broken")(self.fail)
        api.post("/api/colour")(self.change)
        self.changed_to: list[str] = []
        log = Log(self.lines, ManualClock(), style="json")
        self.guard = Guard(api, Admin(host=host, token=token), log)

    def fail(self) -> None:
        raise KeyError("colour")

    def change(self, change: Change) -> str:
        self.changed_to.append(change.to)
        return change.to

    async def ask(
        self, method: str, path: str, *, host: str = "localhost", **options: Any
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.guard, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path, **options)

    async def status(self, method: str, path: str, **options: Any) -> int:
        return (await self.ask(method, path, **options)).status_code


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "gateway.example"])
def test_an_interface_that_others_reach_needs_a_token_to_start(host: str) -> None:
    with pytest.raises(StartError) as failure:
        Guarded(host)
    assert host in failure.value.problem
    assert "KEEPLINE_ADMIN__TOKEN" in failure.value.hint
    Guarded(host, TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
async def test_on_loopback_no_token_is_needed(host: str) -> None:
    assert await Guarded(host).status("GET", "/api/colour") == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer admin-t0keN", "Bearer admin-t0ken1", TOKEN, f"Basic {TOKEN}"],
)
async def test_without_the_token_nothing_but_health_is_told(header: str) -> None:
    guarded = Guarded(token=TOKEN)
    headers = {"Authorization": header} if header else {}
    answer = await guarded.ask("GET", "/api/colour", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text
    assert await guarded.status("GET", "/metrics", headers=headers) == 401
    assert await guarded.status("GET", "/openapi.json", headers=headers) == 401
    assert await guarded.status("GET", "/healthz", headers=headers) == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_with_the_token_everything_is_told(scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {TOKEN}"}
    assert await Guarded("0.0.0.0", TOKEN).status("GET", "/api/colour", headers=headers) == 200


@pytest.mark.parametrize("path", ["/healthz", "/api/colour"])
async def test_head_is_answered_like_get(path: str) -> None:
    assert await Guarded().status("HEAD", path) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8001", "127.0.0.1.evil.example"])
async def test_a_name_that_leads_to_loopback_is_refused_there(host: str) -> None:
    answer = await Guarded().ask("GET", "/api/colour", host=host)
    assert answer.status_code == 421
    assert "localhost" in answer.json()["detail"]
    assert await Guarded("0.0.0.0", TOKEN).status("GET", "/api/colour", host=host, headers=BEARER)
    assert await Guarded().status("GET", "/healthz", host=host) == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8001", "LOCALHOST:1", "[::1]:8001", "[::1]"])
async def test_this_machine_s_own_names_are_taken_with_any_port(host: str) -> None:
    assert await Guarded().status("GET", "/api/colour", host=host) == 200


@pytest.mark.parametrize(
    "place",
    [
        "http://localhost:8001",  # another port of this machine is another's page
        "http://127.0.0.1",
        "http://evil.example",
        "http://localhost.evil.example",
        "file://localhost",
        "null",
        "",
    ],
)
async def test_a_change_from_a_web_page_of_others_is_refused_and_a_look_is_not(place: str) -> None:
    guarded = Guarded()
    origin = {"Origin": place}
    assert await guarded.status("POST", "/api/colour", json={"to": "blue"}, headers=origin) == 403
    assert guarded.changed_to == []
    assert await guarded.status("GET", "/api/colour", headers=origin) == 200


@pytest.mark.parametrize("place", ["http://localhost", "https://localhost", "HTTP://LocalHost"])
async def test_a_change_from_its_own_page_is_taken(place: str) -> None:
    guarded = Guarded()
    origin = {"Origin": place}
    assert await guarded.status("POST", "/api/colour", json={"to": "blue"}, headers=origin) == 200
    assert guarded.changed_to == ["blue"]


async def test_its_own_page_shows_the_token_like_everybody() -> None:
    guarded = Guarded("0.0.0.0", TOKEN)
    origin = {"Origin": "http://localhost"}
    assert await guarded.status("POST", "/api/colour", json={}, headers=origin) == 401
    assert await guarded.status("POST", "/api/colour", json={}, headers={**origin, **BEARER}) == 200


@pytest.mark.parametrize("path", ["/", "/favicon.svg", "/assets/index.js"])
async def test_the_page_itself_is_told_to_everybody_for_it_asks_for_the_token(path: str) -> None:
    guarded = Guarded(token=TOKEN)
    assert await guarded.status("GET", path) == 404  # this application has none
    assert await guarded.status("POST", path, json={}) == 401
    assert await guarded.status("GET", path, host="evil.example") == 421


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_a_change_is_a_post_and_nothing_else(method: str) -> None:
    answer = await Guarded().ask(method, "/api/colour", json={})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_even_health_is_not_changed_without_the_token(method: str) -> None:
    assert await Guarded(token=TOKEN).status(method, "/healthz") == 401


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
    ],
)
async def test_a_change_is_json_and_says_so(content_type: str, status: int) -> None:
    headers = {"Content-Type": content_type}
    body = b'{"to": "blue"}'
    assert await Guarded().status("POST", "/api/colour", content=body, headers=headers) == status


async def test_a_body_of_unknown_length_is_refused() -> None:
    async def parts() -> Any:
        yield b"{}"

    headers = {"Content-Type": "application/json"}
    guarded = Guarded()
    assert await guarded.status("POST", "/api/colour", content=parts(), headers=headers) == 411


@pytest.mark.parametrize(("beyond", "status"), [(-1, 200), (0, 200), (1, 413)])
async def test_a_body_may_be_as_large_as_its_limit(beyond: int, status: int) -> None:
    body = json.dumps({"to": ""}).encode()
    body += b" " * (BODY_BYTES - len(body) + beyond)
    headers = {"Content-Type": "application/json"}
    assert await Guarded().status("POST", "/api/colour", content=body, headers=headers) == status


async def test_a_route_that_fails_is_logged_as_one_line_of_ours() -> None:
    guarded = Guarded()
    answer = await guarded.ask("GET", "/api/broken")
    assert answer.status_code == 500
    assert "colour" not in answer.text
    [line] = [json.loads(text) for text in guarded.lines.getvalue().splitlines()]
    assert (line["event"], line["path"]) == ("admin_request_failed", "/api/broken")
    assert "KeyError" in line["exception"]
