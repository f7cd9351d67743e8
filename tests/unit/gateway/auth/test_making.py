from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepline.clock import ManualClock
from keepline.errors import RefusedError, StartError
from keepline.gateway.auth.bearer import BearerToken
from keepline.gateway.auth.callback import Callback
from keepline.gateway.auth.making import (
    chosen_mode,
    make_authenticator,
    make_issuer,
    make_scheme,
)
from keepline.gateway.auth.static import OpenDoor, StaticToken
from keepline.settings import Settings
from keepline.settings.auth import Auth
from tests.unit.gateway.auth.test_jwt import PRIVATE, PUBLIC
from tests.unit.gateway.fakes import device_request

KEY = "a:0123456789abcdef0123456789abcdef"


def settings(host: str = "127.0.0.1", **auth: Any) -> Settings:
    return Settings.model_validate({"server": {"host": host}, "auth": auth})


def problem(**changes: Any) -> StartError:
    with pytest.raises(StartError) as failed:
        make_authenticator(settings(**changes))
    assert failed.value.hint
    return failed.value


def test_auto_is_static_with_a_token_signed_with_keys_and_none_without() -> None:
    assert chosen_mode(Auth()) == "none"
    assert chosen_mode(Auth(keys=(KEY,))) == chosen_mode(Auth(key_file=Path("x"))) == "signed"
    assert chosen_mode(Auth(keys=(KEY,), token="t")) == "static"
    assert chosen_mode(Auth(token="t")) == "static"
    assert chosen_mode(Auth(token="t", mode="none")) == "none"
    assert isinstance(make_authenticator(settings(token="t", host="0.0.0.0")), StaticToken)
    assert isinstance(make_authenticator(settings()), OpenDoor)


@pytest.mark.parametrize("mode", ["auto", "none"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", ""])
def test_an_open_door_to_everybody_does_not_start(mode: str, host: str) -> None:
    assert "can be reached by everybody" in problem(mode=mode, host=host).problem
    opened = make_authenticator(settings(mode=mode, host=host, insecure=True))
    assert isinstance(opened, OpenDoor)


def test_the_upstream_judges_where_there_is_one_and_it_is_shown_the_devices_tokens() -> None:
    assert "there is no upstream" in problem(mode="upstream").problem
    document: dict[str, Any] = {"auth": {"mode": "upstream"}, "upstream": {"urls": "ws://voice/"}}
    assert make_authenticator(Settings.model_validate(document))
    assert make_issuer(Settings.model_validate(document)) is None
    document["relay"] = {"token": "between-servers"}
    with pytest.raises(StartError, match=r"relay\.token is shown"):
        make_authenticator(Settings.model_validate(document))


@pytest.mark.parametrize("mode", ["signed", "xiaozhi", "jwt"])
def test_modes_with_keys_start_with_keys_only(mode: str) -> None:
    assert f"auth.mode is {mode}" in problem(mode=mode).problem
    assert "too short" in problem(mode=mode, keys=["a:0123456789abcde"]).problem
    assert "both set" in problem(mode=mode, keys=[KEY], key_file="/nowhere").problem
    assert "cannot read" in problem(mode=mode, key_file="/nowhere").problem
    judge = make_authenticator(settings(mode=mode, keys=[KEY], host="0.0.0.0"))
    assert isinstance(judge, BearerToken)


def test_static_without_a_token_does_not_start() -> None:
    assert "no token" in problem(mode="static").problem


@pytest.mark.parametrize(
    "url", ["", "nothing", "ftp://x/", "file:///etc/passwd", "https://", "http:///path", "//x/y"]
)
def test_a_callback_that_is_no_http_url_does_not_start(url: str) -> None:
    assert "auth.callback_url" in problem(mode="callback", callback_url=url).problem


async def test_a_callback_that_can_be_asked_starts() -> None:
    for url in ("http://127.0.0.1:1/x", "https://user:password@auth.example/x?a=b"):
        judge = make_authenticator(settings(mode="callback", callback_url=url))
        assert isinstance(judge, Callback)
        await judge.aclose()
    failed = problem(mode="callback", callback_url="http://u:passw@x/", callback_method="GET")
    assert "passw" not in str(failed)


@pytest.mark.parametrize("mode", ["signed", "xiaozhi", "jwt"])
async def test_what_is_issued_is_let_in_and_nobody_else_with_it(mode: str) -> None:
    clock = ManualClock()
    chosen = settings(mode=mode, keys=[KEY])
    issuer = make_issuer(chosen, clock=clock)
    assert issuer is not None
    issued = issuer.issue("device-1", "client-1", clock.wall())
    judge = make_authenticator(chosen, clock=clock)
    headers = {"authorization": f"Bearer {issued.token}", "client-id": "client-1"}
    identity = await judge.judge(device_request(headers={**headers, "device-id": "device-1"}))
    assert identity.expires_at == issued.expires_at
    assert identity.issued_at == clock.wall()
    with pytest.raises(RefusedError):
        await judge.judge(device_request(headers={**headers, "device-id": "device-2"}))


def test_modes_without_keys_issue_what_they_let_in() -> None:
    for chosen, token in ((settings(token="t"), "t"), (settings(), "none")):
        issuer = make_issuer(chosen)
        assert issuer is not None
        assert issuer.issue("device-1", "", 0.0) == (token, None)


def test_where_somebody_else_issues_there_is_no_issuer(tmp_path: Path) -> None:
    assert make_issuer(settings(mode="callback", callback_url="http://x/")) is None
    path = key_file(tmp_path, PUBLIC["ES256"])
    assert make_issuer(settings(mode="jwt", key_file=path)) is None
    assert make_issuer(settings(mode="jwt", keys=[KEY], token_ttl_s=None)) is None
    assert make_issuer(settings(mode="jwt", key_file=key_file(tmp_path, PRIVATE["ES256"])))


def test_a_key_file_is_for_the_mode_it_is_used_in(tmp_path: Path) -> None:
    path = key_file(tmp_path, PRIVATE["ES256"])
    assert isinstance(make_authenticator(settings(mode="jwt", key_file=path)), BearerToken)
    assert "only mode jwt" in problem(mode="signed", key_file=path).hint


def key_file(folder: Path, pem: bytes) -> Path:
    path = folder / "keys.toml"
    path.write_text(f'[[key]]\nid = "a"\nalgorithm = "ES256"\npem = """\n{pem.decode()}"""\n')
    return path


def test_only_tokens_that_prove_themselves_have_a_scheme() -> None:
    assert make_scheme(settings()) is None
    assert make_scheme(settings(token="t")) is None
    assert make_scheme(settings(mode="callback", callback_url="http://x/")) is None
    for mode in ("signed", "xiaozhi", "jwt"):
        assert make_scheme(settings(mode=mode, keys=[KEY])) is not None
