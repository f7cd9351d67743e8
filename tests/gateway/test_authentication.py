"""Each mode on real sockets, and what ends a session that was let in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from keepline.gateway.auth import make_issuer
from keepline.settings import Settings
from tests.conftest import RunningGateway
from tests.gateway.peers import identity, talk
from tests.gateway.test_admission import refusal
from tests.unit.gateway.auth.test_jwt import PRIVATE
from tests.waiting import eventually

KEY = "a:0123456789abcdef0123456789abcdef"
DEVICE = "02:00:00:00:00:01"


def token_for(auth: dict[str, Any], device_id: str = DEVICE, at: float | None = None) -> str:
    issuer = make_issuer(Settings.model_validate({"auth": auth}))
    assert issuer is not None
    return issuer.issue(device_id, "client-1", time.time() if at is None else at).token


def key_file(folder: Path, **pems: bytes) -> Path:
    path = folder / "keys.toml"
    tables = [
        f'[[key]]\nid = "{name}"\nalgorithm = "{name}"\npem = """\n{pem.decode()}"""\n'
        for name, pem in pems.items()
    ]
    path.write_text("".join(tables))
    return path


MODES = {mode: {"mode": mode, "keys": [KEY]} for mode in ("signed", "xiaozhi", "jwt")}


@pytest.mark.parametrize("mode", [*MODES, "RS256", "ES256", "EdDSA"])
async def test_a_token_of_each_mode_lets_its_device_in_and_no_other(
    start_gateway: Any, tmp_path: Path, mode: str
) -> None:
    auth = MODES.get(mode) or {
        "mode": "jwt",
        "key_file": str(key_file(tmp_path, **{mode: PRIVATE[mode]})),
    }
    gateway: RunningGateway = await start_gateway(auth={**auth, "token": None})
    good = token_for(auth)
    async with talk(gateway.port, headers=identity(DEVICE, good)):
        assert gateway.node.registry.by_device(DEVICE)
    for device_id, token in ((DEVICE, good[:-1]), ("other", good), (DEVICE, None), (DEVICE, "é")):
        status, _ = await refusal(gateway.port, headers=identity(device_id, token))
        assert status == 401
    expired = token_for(auth, at=time.time() - 31 * 86_400)
    status, _ = await refusal(gateway.port, headers=identity(DEVICE, expired))
    assert status == 401
    assert good not in gateway.log_lines.getvalue()


async def test_a_key_that_is_rotated_out_ends_its_tokens_and_no_session(
    start_gateway: Any, tmp_path: Path
) -> None:
    def write(*names: str) -> None:
        secret = "0123456789abcdef"
        path.write_text("".join(f'[[key]]\nid = "{n}"\nsecret = "{secret}{n}"\n' for n in names))

    path = tmp_path / "keys.toml"
    write("old")
    auth = {"mode": "signed", "key_file": str(path)}
    gateway: RunningGateway = await start_gateway(auth={**auth, "token": None})
    old = token_for(auth)
    write("new", "old")
    new = token_for(auth)
    assert new.startswith("kl1.new.")
    async with talk(gateway.port, headers=identity(DEVICE, old)) as connected:
        write("new")
        await eventually_let_in(gateway, new)
        status, _ = await refusal(gateway.port, headers=identity("02:00:00:00:00:02", old))
        assert status == 401
        with pytest.raises(ConnectionClosed):  # by the newer one of the same device
            await connected.recv()
    assert len(gateway.logged("keys_read_again")) >= 1


async def eventually_let_in(gateway: RunningGateway, token: str) -> None:
    gateway.node.gate.authenticator._scheme._keys._looked_at = 0.0  # type: ignore[attr-defined]
    async with talk(gateway.port, headers=identity(DEVICE, token)):
        pass


async def test_a_page_that_is_not_listed_is_refused(start_gateway: Any) -> None:
    gateway: RunningGateway = await start_gateway(auth={"origins": ["https://app.example"]})
    evil = {**identity(), "Origin": "https://evil.example"}
    status, _ = await refusal(gateway.port, headers=evil)
    assert status == 403
    async with talk(gateway.port, headers={**identity(), "Origin": "https://app.example"}):
        pass


async def test_after_too_many_failures_it_is_429_with_a_time(start_gateway: Any) -> None:
    gateway: RunningGateway = await start_gateway(auth={"device_failures": 2})
    wrong = identity(DEVICE, "wrong")
    assert [(await refusal(gateway.port, headers=wrong))[0] for _ in range(3)] == [401, 401, 429]
    status, headers = await refusal(gateway.port)
    assert status == 429
    assert 1 <= int(headers["Retry-After"]) <= 30
    async with talk(gateway.port, "another-device"):
        pass


async def test_who_is_revoked_is_closed_at_once(gateway: RunningGateway) -> None:
    async with talk(gateway.port) as device:
        assert gateway.node.revoke(DEVICE)
        with pytest.raises(ConnectionClosed):
            await device.recv()
        assert device.close_code == 4004
        assert device.close_reason == "revoked"
    await eventually(lambda: not gateway.node.registry)
    assert not gateway.node.revoke(DEVICE)


async def test_a_token_that_expires_ends_the_session(start_gateway: Any) -> None:
    auth = {**MODES["signed"], "token_ttl_s": 1.0, "expiry_grace_s": 0}
    gateway: RunningGateway = await start_gateway(auth={**auth, "token": None})
    async with talk(gateway.port, headers=identity(DEVICE, token_for(auth))) as device:
        with pytest.raises(ConnectionClosed):
            await device.recv()
        assert device.close_code == 4003
        assert device.close_reason == "token_expired"
