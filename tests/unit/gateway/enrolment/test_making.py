from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from keepline.errors import StartError
from keepline.gateway.enrolment.making import chosen_policy, make_ledger
from keepline.gateway.enrolment.policies import Approval, Open
from keepline.settings import Settings
from tests.unit.gateway.enrolment.counter import Counter


def settings(host: str, **fields: Any) -> Settings:
    return Settings.model_validate({"server": {"host": host}, "enrolment": fields})


@pytest.mark.parametrize(
    ("host", "has_issuer", "policy"),
    [
        ("127.0.0.1", True, "open"),
        ("::1", True, "open"),
        ("0.0.0.0", True, "activation"),
        ("0.0.0.0", False, "off"),
        ("127.0.0.1", False, "off"),
    ],
)
def test_auto_is_open_where_nobody_else_can_ask_and_never_elsewhere(
    host: str,
    has_issuer: bool,  # noqa: FBT001
    policy: str,
) -> None:
    assert chosen_policy(settings(host), has_issuer=has_issuer) == policy


def test_auto_is_open_where_everybody_is_let_in_anyway() -> None:
    document = {"server": {"host": "0.0.0.0"}, "auth": {"insecure": True}}
    assert chosen_policy(Settings.model_validate(document), has_issuer=True) == "open"


def test_a_policy_that_is_named_is_taken() -> None:
    assert chosen_policy(settings("127.0.0.1", policy="off"), has_issuer=True) == "off"


def test_auto_asks_the_voice_server_that_is_named() -> None:
    named = settings("0.0.0.0", upstream_url="http://voice.lan/xiaozhi/ota/")
    assert chosen_policy(named, has_issuer=True) == "upstream"
    assert chosen_policy(named, has_issuer=False) == "upstream"


async def test_each_policy_is_made() -> None:
    assert Counter(policy="off").enrolment.policy is None
    assert isinstance(Counter(policy="open").enrolment.policy, Open)
    assert isinstance(Counter(policy="activation").enrolment.policy, Approval)


async def test_open_on_a_network_does_not_start_unless_it_is_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document: dict[str, Any] = {"server": {"host": "0.0.0.0"}}
    whole = Settings.model_validate
    monkeypatch.setattr(Settings, "model_validate", lambda given: whole({**given, **document}))
    with pytest.raises(StartError, match=r"enrolment\.policy is open"):
        Counter(policy="open")
    assert isinstance(Counter(policy="open", insecure=True).enrolment.policy, Open)


async def test_who_issues_no_tokens_cannot_enrol() -> None:
    with pytest.raises(StartError, match="issues no tokens"):
        Counter(policy="activation", has_issuer=False)


async def test_a_file_of_devices_that_is_wrong_is_found_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot read"):
        Counter(policy="allow_list", devices=tmp_path / "nowhere.toml")


async def test_the_ledger_is_kept_where_state_is_kept(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    assert not make_ledger(Settings(), loop, None).is_kept
    ledger = make_ledger(Settings(data_dir=tmp_path), loop, None)
    assert ledger.is_kept
    await ledger.open()
    assert (tmp_path / "enrolment.db").exists()
