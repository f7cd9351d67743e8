from __future__ import annotations

from pathlib import Path

import pytest

from keepline.cli.options import read_settings
from keepline.errors import SettingsError


def test_options_that_were_not_given_leave_the_settings_alone() -> None:
    assert read_settings(None, None, host=None, port=None).server.port == 8_000


def test_an_option_wins_over_environment_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "keepline.toml"
    config.write_text("[server]\nport = 1\nmax_connections = 9\n")
    monkeypatch.setenv("KEEPLINE_SERVER__PORT", "2")
    assert read_settings(config, None).server.port == 2
    settings = read_settings(config, ["server.backlog=5"], port="3")
    assert (settings.server.port, settings.server.max_connections) == (3, 9)
    assert settings.server.backlog == 5


def test_a_wrong_value_is_told_by_the_name_of_its_option() -> None:
    with pytest.raises(SettingsError, match="--admin-port"):
        read_settings(None, None, admin_port="many")
