from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from keepline.app.workers.launch import LONGEST_BYTES, _run_directory


def test_workers_meet_in_a_directory_for_this_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = Path(_run_directory())
    if len(str(tmp_path)) < LONGEST_BYTES // 2:
        assert made.parent == tmp_path
    assert made.stat().st_mode & 0o077 == 0
    made.rmdir()


def test_where_names_are_too_long_for_sockets_it_is_made_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * LONGEST_BYTES)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(deep))
    made = Path(_run_directory())
    assert len(str(made)) <= LONGEST_BYTES
    assert list(deep.iterdir()) == []
    made.rmdir()
