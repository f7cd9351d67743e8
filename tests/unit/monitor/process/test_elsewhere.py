from __future__ import annotations

from pathlib import Path

from keepline.monitor.process.elsewhere import Elsewhere, reader_of
from keepline.monitor.process.procfs import Procfs


def test_without_proc_there_is_cpu_but_no_memory(tmp_path: Path) -> None:
    reading = Elsewhere().read(slow=True)
    assert reading.memory_bytes is None
    assert reading.cpu_s is not None
    assert reading.cpu_s > 0
    assert reading.memory_limit_bytes is not None
    assert Elsewhere(tmp_path / "missing").read(slow=False).descriptors is None


def test_descriptors_are_counted_where_they_are_listed(tmp_path: Path) -> None:
    for name in "012":
        (tmp_path / name).touch()
    assert Elsewhere(tmp_path).read(slow=False).descriptors == 3


def test_who_reads_depends_on_what_there_is(tmp_path: Path) -> None:
    assert isinstance(reader_of(dict, tmp_path), Elsewhere)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/statm").touch()
    assert isinstance(reader_of(dict, tmp_path), Procfs)
