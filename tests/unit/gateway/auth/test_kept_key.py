from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from keepline.errors import StartError
from keepline.gateway.auth import make_authenticator, make_issuer
from keepline.gateway.auth.bearer import BearerToken
from keepline.gateway.auth.kept_key import KEY_FILE, with_kept_key
from keepline.settings import Settings


def settings(data_dir: Path | None, host: str = "0.0.0.0", **auth: Any) -> Settings:
    return Settings.model_validate({"server": {"host": host}, "auth": auth, "data_dir": data_dir})


def draw(size: int) -> bytes:
    return b"k" * size


def test_on_a_network_without_a_token_each_device_has_one_of_its_own(tmp_path: Path) -> None:
    kept = with_kept_key(settings(tmp_path), draw)
    assert kept.auth.mode == "signed"
    assert isinstance(make_authenticator(kept), BearerToken)
    assert make_issuer(kept) is not None


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with_kept_key(settings(tmp_path), draw)
    made = (tmp_path / KEY_FILE).read_text()
    assert b"k".hex() * 32 in made
    with_kept_key(settings(tmp_path), lambda size: b"x" * size)
    assert (tmp_path / KEY_FILE).read_text() == made
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_draft_that_somebody_put_there_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / f".{KEY_FILE}.{draw(8).hex()}").symlink_to(tmp_path / "theirs")
    with pytest.raises(StartError, match="cannot keep the key"):
        with_kept_key(settings(tmp_path), draw)
    assert not (tmp_path / "theirs").exists()
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize(
    ("host", "auth"),
    [
        ("127.0.0.1", {}),
        ("0.0.0.0", {"token": "fleet"}),
        ("0.0.0.0", {"keys": ["one:a-secret-of-16-bytes-and-more"]}),
        ("0.0.0.0", {"mode": "none", "insecure": True}),
        ("0.0.0.0", {"insecure": True}),
    ],
)
def test_who_says_otherwise_is_left_alone(tmp_path: Path, host: str, auth: dict[str, Any]) -> None:
    given = settings(tmp_path, host, **auth)
    assert with_kept_key(given, draw) is given
    assert list(tmp_path.iterdir()) == []


def test_where_no_state_is_kept_no_key_is_made() -> None:
    given = settings(None)
    assert with_kept_key(given, draw) is given
    with pytest.raises(StartError, match="no token is set") as refused:
        make_authenticator(given)
    assert "--data" in refused.value.hint


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"nowhere"):
        with_kept_key(settings(tmp_path / "nowhere"), draw)


def test_a_key_file_that_was_damaged_is_named_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("damaged")
    with pytest.raises(StartError, match="not TOML"):
        with_kept_key(settings(tmp_path), draw)
    assert (tmp_path / KEY_FILE).read_text() == "damaged"
