from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from keepline.cli.commands import app
from keepline.hub.database import Database

runner = CliRunner()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


def test_every_database_is_copied_and_named(data: Path, tmp_path: Path) -> None:
    for name in ("keepline.db", "enrolment.db"):
        Database(data / name)
    result = runner.invoke(app, ["backup", str(tmp_path / "copies"), "--data", str(data)])
    assert result.exit_code == 0
    copies = sorted((tmp_path / "copies").iterdir())
    assert [copy.name for copy in copies] == ["enrolment.db", "keepline.db"]
    assert all(str(copy) in result.stdout for copy in copies)


def test_the_key_of_the_tokens_is_copied_and_nobody_else_reads_it(
    data: Path, tmp_path: Path
) -> None:
    Database(data / "keepline.db")
    (data / "token.keys").write_text("a key")
    (data / "notes.txt").write_text("not ours")
    result = runner.invoke(app, ["backup", str(tmp_path / "copies"), "--data", str(data)])
    assert result.exit_code == 0
    assert {copy.name for copy in (tmp_path / "copies").iterdir()} == {"keepline.db", "token.keys"}
    copy = tmp_path / "copies" / "token.keys"
    assert copy.read_text() == "a key"
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "advice"),
    [([], "--data"), (["--data", "{data}"], "as it was given to `keepline serve`")],
)
def test_who_has_nothing_to_copy_is_told_what_to_do(
    data: Path, tmp_path: Path, options: list[str], advice: str
) -> None:
    options = [option.format(data=data) for option in options]
    result = runner.invoke(app, ["backup", str(tmp_path / "copies"), *options])
    assert result.exit_code == 2
    assert advice in result.stderr


def test_a_place_that_cannot_be_made_is_told(data: Path, tmp_path: Path) -> None:
    Database(data / "keepline.db")
    (tmp_path / "file").write_text("")
    result = runner.invoke(app, ["backup", str(tmp_path / "file" / "copies"), "--data", str(data)])
    assert result.exit_code == 2
    assert "cannot make" in result.stderr
