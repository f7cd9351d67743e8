"""`serve` and `demo`, as they are typed; the gateway itself is replaced."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import keepline.app.process
from keepline.errors import StartError
from keepline.gateway.handler import Handler
from keepline.handlers.echo import Echo
from keepline.settings import Settings
from tests.unit.cli.command_line import typed

Started = list[tuple[Settings, object]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Every start of a gateway, in place of a gateway."""
    starts: Started = []

    def serve(settings: Settings, handler: type[Handler] | None, **_callbacks: object) -> int:
        starts.append((settings, handler))
        return 0

    def demo(settings: Settings, *, devices: int, **_callbacks: object) -> int:
        starts.append((settings, devices))
        return 0

    monkeypatch.setattr(keepline.app.process, "serve", serve)
    monkeypatch.setattr(keepline.app.process, "demo", demo)
    return starts


def test_serve_alone_starts_the_echo_handler_with_defaults(started: Started) -> None:
    assert typed("serve") == (0, "", "")
    assert started == [(Settings(), Echo)]


def test_every_option_of_serve_reaches_its_setting(started: Started, tmp_path: Path) -> None:
    config = tmp_path / "keepline.toml"
    config.write_text("[log]\nlevel = 'debug'\n")
    status, _, complaint = typed(
        *("serve", "keepline.handlers.echo:Echo", "--host", "127.0.0.2", "--port", "7000"),
        *("--admin-host", "127.0.0.3", "--admin-port", "7001", "--data", str(tmp_path / "data")),
        *("--token", "t0ken", "--config", str(config)),
        *("--set", "wire.message_bytes=99", "--set", "session.idle_after_s=2.5"),
    )
    assert (status, complaint) == (0, "")
    [(settings, handler)] = started
    assert handler is Echo
    assert (settings.server.host, settings.server.port) == ("127.0.0.2", 7_000)
    assert (settings.admin.host, settings.admin.port) == ("127.0.0.3", 7_001)
    assert settings.data_dir == tmp_path / "data"
    assert settings.auth.token == "t0ken"
    assert settings.log.level == "debug"
    assert settings.wire.message_bytes == 99
    assert settings.session.idle_after_s == 2.5


def test_an_authenticator_of_one_s_own_is_handed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = "class Own:\n    async def judge(self, request): ...\n"
    (tmp_path / "my_own_door.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    judges: list[object] = []

    def serve(*_arguments: object, authenticator: object, **_others: object) -> int:
        judges.append(authenticator)
        return 0

    monkeypatch.setattr(keepline.app.process, "serve", serve)
    assert typed("serve", "--auth", "my_own_door:Own")[0] == 0
    assert type(judges[0]).__name__ == "Own"
    status, _, complaint = typed("serve", "--auth", "my_own_door:Other")
    assert status == 2
    assert "has no Other" in complaint


def test_the_environment_is_read(started: Started) -> None:
    typed("serve", KEEPLINE_AUTH__TOKEN="from-the-environment")
    assert started[0][0].auth.token == "from-the-environment"


def test_the_status_of_the_gateway_becomes_that_of_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keepline.app.process, "serve", lambda settings, handler, **_: 3)
    assert typed("serve")[0] == 3


def test_demo_starts_as_many_devices_as_asked_for(started: Started) -> None:
    assert typed("demo", "--devices", "7", "--port", "0")[0] == 0
    [(settings, devices)] = started
    assert devices == 7
    assert settings.auth.token is not None  # a fresh one


def test_a_demo_is_no_load_test(started: Started) -> None:
    status, _, complaint = typed("demo", "--devices", "100000000")
    assert (status, "1000" in complaint, started) == (2, True, [])


def test_demo_keeps_the_token_it_is_given(started: Started) -> None:
    typed("demo", "--token", "t0ken")
    assert started[0][0].auth.token == "t0ken"


def test_a_wrong_setting_is_told_on_stderr_with_status_2(started: Started) -> None:
    status, output, complaint = typed("serve", "--port", "99999")
    assert (status, output) == (2, "")
    assert complaint == (
        "error: server.port cannot be '99999' (--port)\n"
        "  → it takes a whole number from 0 to 65535; the default is 8000\n"
    )
    assert started == []


def test_a_start_that_fails_is_told_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_callbacks: object) -> int:
        raise StartError("the port [8000] is taken", "choose another")

    monkeypatch.setattr(keepline.app.process, "serve", fail)
    assert typed("serve") == (2, "", "error: the port [8000] is taken\n  → choose another\n")


def test_a_missing_handler_is_told_before_anything_starts(started: Started) -> None:
    status, _, complaint = typed("serve", "nowhere_at_all:Assistant")
    assert status == 2
    assert complaint.startswith("error: there is no module nowhere_at_all\n  → ")
    assert started == []


def test_a_data_directory_is_made_where_there_is_none(started: Started, tmp_path: Path) -> None:
    assert typed("serve", "--data", str(tmp_path / "a" / "b"))[0] == 0
    assert (tmp_path / "a" / "b").is_dir()
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["file", "file/inside"])
def test_a_data_directory_that_cannot_be_is_told(
    started: Started, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    status, _, complaint = typed("serve", "--data", str(tmp_path / name))
    assert status == 2
    assert complaint.startswith(f"error: cannot keep state in {tmp_path / name}: ")
    assert ("it is no directory" in complaint) == (name == "file")
    assert "--data" in complaint
    assert started == []


def test_a_data_directory_that_this_user_may_not_write_is_told(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    status, _, complaint = typed("serve", "--data", str(tmp_path))
    assert status == 2
    assert complaint.startswith(f"error: cannot keep state in {tmp_path}: permission denied")
