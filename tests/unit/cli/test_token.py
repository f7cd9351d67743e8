from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keepline.cli.commands import app
from keepline.cli.token import duration_s
from keepline.errors import StartError
from keepline.settings import Settings
from tests.unit.cli.command_line import typed

SECRET = "0123456789abcdef0123456789abcdef"
DEVICE = ("--device", "02:00:00:00:00:01")
KEYS = {"KEEPLINE_AUTH__KEYS": f"new:{SECRET},old:{SECRET}old"}
SIGNED = {"KEEPLINE_AUTH__MODE": "signed", **KEYS}


def made(*arguments: str, **environment: str) -> str:
    status, output, complaint = typed("token", *DEVICE, *arguments, **(environment or SIGNED))
    assert (status, complaint) == (0, "")
    return output.strip()


def checked(token: str, *arguments: str, **environment: str) -> tuple[int, str]:
    arguments = arguments or DEVICE
    status, output, _ = typed("token", *arguments, "--check", token, **(environment or SIGNED))
    return status, output.strip()


def complaint(*arguments: str, **environment: str) -> str:
    status, output, complaint = typed("token", *arguments, **environment)
    assert (status, output) == (2, "")
    assert SECRET not in complaint
    return complaint


def test_every_token_is_new_and_allowed() -> None:
    first, second = typed("token")[1].strip(), typed("token")[1].strip()
    assert first != second
    assert Settings.model_validate({"auth": {"token": first}}).auth.token == first


def test_a_random_one_is_a_key_for_every_mode() -> None:
    secret = typed("token")[1].strip()
    for mode in ("signed", "jwt", "xiaozhi"):
        keys = {"KEEPLINE_AUTH__MODE": mode, "KEEPLINE_AUTH__KEYS": f"a:{secret}"}
        assert made("--client", "c", **keys)


@pytest.mark.parametrize("mode", ["signed", "jwt"])
def test_a_device_s_own_token_is_good_for_it_and_says_until_when(mode: str) -> None:
    keys = {**KEYS, "KEEPLINE_AUTH__MODE": mode}
    earliest_s = time.time() + 5_400
    token = made("--expires", "90m", **keys)
    status, words = checked(token, **keys)
    assert status == 0
    hours = [
        time.strftime("%Y-%m-%d %H", time.gmtime(at)) for at in (earliest_s, time.time() + 5_400)
    ]
    assert words.startswith(tuple(f"valid until {hour}" for hour in hours))  # it may have struck
    assert checked(token, "--device", "other", **keys)[0] == 1


def test_without_expires_it_is_good_for_as_long_as_the_settings_say() -> None:
    earliest_s = time.time() + 60
    token = made(KEEPLINE_AUTH__TOKEN_TTL_S="60", **SIGNED)
    assert earliest_s - 1 <= int(token.split(".")[3]) <= time.time() + 61
    assert checked(made("--expires", "never"))[1] == "valid, never expires"


def test_what_is_wrong_with_a_token_is_told() -> None:
    token = made()
    assert checked("nonsense") == (1, "token malformed")
    assert checked("") == (1, "token missing")
    assert "another device" in checked(token, "--device", "other")[1]
    wrong = {**SIGNED, "KEEPLINE_AUTH__KEYS": f"new:{SECRET}x"}
    assert checked(token, **wrong)[1].startswith("token signed with a wrong key")
    unknown = {**SIGNED, "KEEPLINE_AUTH__KEYS": f"other:{SECRET}"}
    assert checked(token, **unknown)[1] == "token signed with an unknown key"
    stem = token.split(".")
    expired = f"kl1.new.1.2.{stem[4]}"
    assert checked(expired)[0] == 1


def test_an_expired_token_is_told_from_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    token = made("--expires", "45s")
    later = time.time() + 46
    monkeypatch.setattr(time, "time", lambda: later)
    assert checked(token) == (1, "token expired")


def test_a_token_need_not_stand_in_the_command() -> None:
    result = CliRunner().invoke(
        app, ["token", *DEVICE, "--check", "-"], env=SIGNED, input=made() + "\n"
    )
    assert result.exit_code == 0
    assert result.stdout.startswith("valid until ")


def test_the_python_server_s_tokens_need_the_client_and_have_no_end_of_their_own() -> None:
    keys = {**KEYS, "KEEPLINE_AUTH__MODE": "xiaozhi"}
    token = made("--client", "c", **keys)
    assert checked(token, *DEVICE, "--client", "c", **keys)[0] == 0
    assert checked(token, *DEVICE, "--client", "d", **keys)[0] == 1
    assert "--client" in complaint(*DEVICE, **keys)
    assert "leave --expires out" in complaint(*DEVICE, "--client", "c", "--expires", "1d", **keys)


def test_the_fleet_s_token_is_printed_and_recognised() -> None:
    fleet = {"KEEPLINE_AUTH__TOKEN": "t0ken"}
    assert made(**fleet) == "t0ken"
    assert checked("t0ken", **fleet) == (0, "valid: the token of the fleet")
    assert checked("other", **fleet) == (1, "not the token of the fleet")


def test_keys_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f'[[key]]\nid = "new"\nsecret = "{SECRET}"\n')
    config = tmp_path / "keepline.toml"
    config.write_text(f'[auth]\nmode = "signed"\nkey_file = "{path}"\n')
    status, output, _ = typed("token", *DEVICE, "--config", str(config))
    assert status == 0
    assert checked(output.strip())[0] == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("--check", "x"), SIGNED, "add --device"),
        (("--expires", "1d"), SIGNED, "add --device"),
        (("--client", "c"), SIGNED, "add --device"),
        ((*DEVICE, "--check", "x", "--expires", "1d"), SIGNED, "do not go together"),
        (("--device", "no id"), SIGNED, "Device-Id is missing or not an id"),
        (("--device", ""), SIGNED, "Device-Id is missing or not an id"),
        ((*DEVICE, "--client", "no id"), SIGNED, "Client-Id is not an id"),
        ((*DEVICE, "--expires", "soon"), SIGNED, "--expires cannot be 'soon'"),
        (DEVICE, {}, "asks for no token"),
        (DEVICE, {"KEEPLINE_AUTH__MODE": "callback"}, "leaves tokens to the callback"),
        (DEVICE, {"KEEPLINE_AUTH__MODE": "signed"}, "there are no keys"),
        (DEVICE, {**SIGNED, "KEEPLINE_AUTH__KEYS": "a:short"}, "too short"),
        (
            (*DEVICE, "--expires", "never"),
            {**SIGNED, "KEEPLINE_AUTH__MODE": "jwt"},
            "cannot be made",
        ),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    assert words in complaint(*arguments, **environment)


def test_durations_are_numbers_with_a_unit() -> None:
    assert [duration_s(text) for text in ("45s", "90m", "12h", "30d")] == [
        *(45.0, 5_400.0, 43_200.0, 2_592_000.0)
    ]
    assert duration_s("never") is None
    for wrong in ("", "0d", "30", "d", "1.5h", "-1d", "1w", "1d ", "9999999999d"):
        with pytest.raises(StartError):
            duration_s(wrong)
