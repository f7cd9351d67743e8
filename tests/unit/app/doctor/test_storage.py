from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from keepline.app.doctor.diagnosis import Standing
from keepline.app.doctor.storage import file_system, state
from keepline.settings.given import settings_from
from tests.unit.app.doctor.machine import write


def mounted(root: Path, *mounts: tuple[Path, str]) -> Path:
    lines = [f"36 35 8:1 / {at} rw,noatime shared:1 - {kind} dev rw\n" for at, kind in mounts]
    return write(root, "proc/self/mountinfo", "".join(lines))


def kept(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


def test_nothing_kept_is_fine_on_this_machine_and_a_loss_elsewhere(tmp_path: Path) -> None:
    assert state(settings_from(), tmp_path).standing is Standing.OK
    open_to_all = settings_from(server={"host": "0.0.0.0"})
    assert state(open_to_all, tmp_path).standing is Standing.WARNING


@pytest.mark.parametrize(
    ("kind", "standing"),
    [("ext4", "ok"), ("tmpfs", "problem"), ("overlay", "warning"), ("fuse.sshfs", "warning")],
)
def test_it_is_told_what_state_is_kept_on(tmp_path: Path, kind: str, standing: str) -> None:
    root = mounted(tmp_path / "root", (Path("/"), "ext4"), (tmp_path, kind))
    settings = settings_from({"data_dir": kept(tmp_path / "s")})
    assert state(settings, root).standing == standing


def test_a_directory_that_is_not_there_yet_is_judged_by_where_it_will_be(tmp_path: Path) -> None:
    root = mounted(tmp_path / "root", (tmp_path, "tmpfs"))
    settings = settings_from({"data_dir": tmp_path / "a/b"})
    assert "in memory" in state(settings, root).found
    assert not (tmp_path / "a").exists()


def test_a_directory_that_cannot_be_written_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    settings = settings_from({"data_dir": kept(tmp_path / "s")})
    diagnosis = state(settings, tmp_path)
    assert (diagnosis.standing, "Permission denied" in diagnosis.found) == (Standing.PROBLEM, True)


def test_a_link_without_a_target_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for data_dir in (tmp_path / "dangling", tmp_path / "dangling/state"):
        diagnosis = state(settings_from({"data_dir": data_dir}), tmp_path)
        assert (diagnosis.standing, "dangling" in diagnosis.found) == (Standing.PROBLEM, True)


@pytest.mark.parametrize(
    ("name", "lacking", "told"),
    [
        ("keepline.db", os.W_OK, "keepline.db is there, and this user may not read and write it"),
        ("keepline.db-wal", os.R_OK, "keepline.db-wal is there"),
        ("enrolment.db", os.R_OK, "enrolment.db is there"),
        ("token.keys", os.R_OK, "token.keys is there, and this user may not read it"),
        ("token.keys", os.W_OK, ""),  # it is only read
        ("keepline.db.broken", os.R_OK, ""),  # not even that
        (".", os.R_OK, "s is there"),
    ],
)
def test_what_is_there_and_somebody_else_s_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, lacking: int, told: str
) -> None:
    directory = kept(tmp_path / "s")
    if name != ".":
        (directory / name).touch()
    theirs = directory / name
    monkeypatch.setattr(os, "access", lambda path, asked: path != theirs or not asked & lacking)
    everybody_s = settings_from({"data_dir": directory, "server": {"host": "0.0.0.0"}})
    diagnosis = state(everybody_s, mounted(tmp_path / "root", (Path("/"), "ext4")))
    assert (diagnosis.standing is Standing.PROBLEM) == bool(told)
    assert told in diagnosis.found


def test_a_key_that_no_start_would_read_may_be_anybody_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = kept(tmp_path / "s")
    (directory / "token.keys").touch()
    monkeypatch.setattr(os, "access", lambda path, _: path.name != "token.keys")
    settings = settings_from({"data_dir": directory})
    assert "token.keys" not in state(settings, tmp_path).found


def test_a_place_that_this_user_may_not_look_into_is_told_as_what_it_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden, seen = kept(tmp_path / "hidden"), Path.exists

    def exists(path: Path) -> bool:
        if path.parent == hidden:
            raise PermissionError(13, "Permission denied")
        return seen(path)

    monkeypatch.setattr(Path, "exists", exists)
    settings = settings_from({"data_dir": hidden / "state"})
    assert state(settings, mounted(tmp_path / "root", (hidden, "tmpfs"))).standing == "problem"


def test_a_directory_that_others_can_look_into_is_told(tmp_path: Path) -> None:
    directory = kept(tmp_path / "s")
    directory.chmod(0o755)
    settings = settings_from({"data_dir": directory})
    assert state(settings, tmp_path).advice == f"chmod 700 {directory}"


@pytest.mark.parametrize(
    ("free_mib", "standing"), [(9_000, "ok"), (500, "warning"), (9, "problem")]
)
def test_a_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mib: int, standing: str
) -> None:
    free = SimpleNamespace(f_bavail=free_mib, f_frsize=1 << 20)
    monkeypatch.setattr(os, "statvfs", lambda _: free)
    settings = settings_from({"data_dir": kept(tmp_path / "s")})
    assert state(settings, tmp_path).standing == standing


def test_of_two_mounts_on_one_place_the_later_is_seen_and_none_is_no_kind(tmp_path: Path) -> None:
    root = mounted(tmp_path / "root", (Path("/"), "overlay"), (tmp_path, "a"), (tmp_path, "b"))
    assert file_system(tmp_path / "x", root) == "b"
    assert file_system(tmp_path, tmp_path / "nowhere") == ""
