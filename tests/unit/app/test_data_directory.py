from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from keepline.app.data_directory import held
from keepline.errors import StartError


def test_a_directory_is_one_gateways_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path):
        with pytest.raises(StartError, match="another gateway keeps its state in") as raised:
            held(tmp_path).__enter__()
        assert "--data" in (raised.value.hint or "")
    with held(tmp_path):
        pass


def test_two_directories_are_two_gateways(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with held(tmp_path) as one, held(other) as another:
        assert one != another


def test_who_keeps_no_state_is_in_nobodys_way() -> None:
    with held(None) as one, held(None) as another:
        assert one is another is None


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot keep state in .*nowhere"):
        held(tmp_path / "nowhere").__enter__()


def test_a_file_system_without_locks_is_no_reason_not_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with held(tmp_path) as descriptor:
        assert descriptor is not None
        assert os.path.samestat(os.fstat(descriptor), tmp_path.stat())
