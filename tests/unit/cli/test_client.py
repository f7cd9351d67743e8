"""The client of the admin interface, against what may answer at an address."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from keepline.cli.client import AdminClient, NotFoundError, UnknownError, connect
from keepline.errors import StartError

URL = "http://127.0.0.1:8001"
TOKEN = "admin-t0ken"


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> AdminClient:
    return AdminClient(URL, TOKEN, transport=httpx.MockTransport(answer))


def failure_of(client: AdminClient) -> StartError:
    with pytest.raises(StartError) as failure:
        client.get("/api/sessions")
    assert TOKEN not in str(failure.value)
    return failure.value


def test_what_is_given_reaches_the_interface_with_the_token() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"n": len(asked)})

    client = client_of(answer)
    assert client.get("/api/sessions", state="idle", cursor=None) == {"n": 1}
    assert client.post("/api/devices/one/kick", {"why": "x"}) == {"n": 2}
    look, change = asked
    assert str(look.url) == f"{URL}/api/sessions?state=idle"
    assert look.headers["authorization"] == f"Bearer {TOKEN}"
    assert (change.method, change.content) == ("POST", b'{"why":"x"}')
    assert change.headers["content-type"] == "application/json"


def test_an_answer_without_a_body_is_nothing() -> None:
    assert client_of(lambda _: httpx.Response(204)).post("/api/x") is None


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8001", "ftp://x", "http://", "http://h:port", "\x1b[1m"]
)
def test_an_address_that_is_none_says_what_one_looks_like(url: str) -> None:
    with pytest.raises(StartError) as failure:
        AdminClient(url, None)
    assert "http://127.0.0.1:8001" in failure.value.hint
    assert "\x1b" not in failure.value.problem


def test_nobody_there_says_how_to_start_one_and_how_to_say_where() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    failure = failure_of(AdminClient(f"http://127.0.0.1:{port}", None))
    assert failure.problem == f"no gateway answers at http://127.0.0.1:{port}"
    assert "keepline serve" in failure.hint
    assert "--admin-url" in failure.hint


def test_https_to_a_port_that_speaks_http_is_told_apart() -> None:
    client = AdminClient("https://127.0.0.1:1", None)
    assert "speaks http" in failure_of(client).hint


def test_an_answer_that_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late", request=request)

    assert "did not answer within" in failure_of(client_of(answer)).problem


def test_something_else_that_listens_there_is_told() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("no HTTP", request=request)

    failure = failure_of(client_of(answer))
    assert "not as an admin interface does" in failure.problem


@pytest.mark.parametrize(
    ("status", "body", "problem", "hint"),
    [
        (401, {"detail": "x"}, "does not take the admin token", "KEEPLINE_ADMIN__TOKEN"),
        (404, {"detail": "no device one"}, "no device one", ""),
        (404, {"detail": "Not Found"}, "does not know this request", "older"),
        (404, "404 not found", "answers with 404", "that of the devices"),
        (302, "", "answers with 302", "admin port"),
        (421, {"detail": "ask as localhost"}, "refuses (421): ask as localhost", ""),
        (422, {"detail": [{"msg": "no id"}]}, "refuses (422): no id", "--help"),
        (503, "Service Unavailable", "too many ask at once", "try again"),
        (500, "Internal Server Error", "failed to answer", "admin_request_failed"),
    ],
)
def test_every_refusal_says_what_to_do(status: int, body: object, problem: str, hint: str) -> None:
    response = (
        httpx.Response(status, text=body)
        if isinstance(body, str)
        else httpx.Response(status, json=body)
    )
    failure = failure_of(client_of(lambda _: response))
    assert problem in failure.problem
    assert hint in failure.hint


@pytest.mark.parametrize("status", [409, 421, 504])
def test_the_help_is_named_only_to_who_asked_wrongly(status: int) -> None:
    refused = httpx.Response(status, json={"detail": "no drain is paused"})
    assert not failure_of(client_of(lambda _: refused)).hint


def test_only_what_the_gateway_says_is_not_there_counts_as_not_there() -> None:
    no_device = httpx.Response(404, json={"detail": "no device one"})
    assert isinstance(failure_of(client_of(lambda _: no_device)), NotFoundError)
    no_route = httpx.Response(404, json={"detail": "Not Found"})
    assert isinstance(failure_of(client_of(lambda _: no_route)), UnknownError)


def test_a_page_in_place_of_an_answer_is_told() -> None:
    page = httpx.Response(200, text="<html>")
    assert "not as an admin interface" in failure_of(client_of(lambda _: page)).problem


def test_a_redirect_is_not_followed_with_the_token() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "127.0.0.1"
        return httpx.Response(302, headers={"Location": "http://evil.example/"})

    failure_of(client_of(answer))


def test_what_an_answer_says_is_made_safe_for_a_terminal() -> None:
    hostile = httpx.Response(404, json={"detail": "\x1b[31mred"})
    assert "\x1b" not in failure_of(client_of(lambda _: hostile)).problem


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8005"),
        ("0.0.0.0", "http://127.0.0.1:8005"),
        ("::", "http://[::1]:8005"),
        ("gateway.example", "http://gateway.example:8005"),
    ],
)
def test_the_address_follows_the_gateway_s_own_settings(
    tmp_path: Path, host: str, url: str
) -> None:
    config = tmp_path / "keepline.toml"
    config.write_text(f"[admin]\nhost = '{host}'\nport = 8005\ntoken = '{TOKEN}'\n")
    client = connect(None, config)
    assert client.url == httpx.URL(url)


def test_an_address_that_is_given_wins_over_the_settings() -> None:
    assert connect("https://other:1", None, ["admin.port=8005"]).url == httpx.URL("https://other:1")


def test_a_port_that_the_system_chose_has_to_be_given() -> None:
    with pytest.raises(StartError) as failure:
        connect(None, None, ["admin.port=0"])
    assert "--admin-url" in failure.value.hint
