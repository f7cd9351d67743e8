"""A tree of files that stands for /proc."""

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path

import pytest

from keepline.monitor.process.procfs import Procfs

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def stat(name: str, user_s: float, system_s: float) -> str:
    # In the order of proc(5), from the name on.
    used = f"{round(user_s * TICKS_PER_S)} {round(system_s * TICKS_PER_S)}"
    return f"1 ({name}) S 0 0 0 0 -1 0 0 0 0 0 {used} 0 0 20 0 1 0 {5 * TICKS_PER_S} 0 0"


def make_tree(root: Path) -> Path:
    own = root / "proc/self"
    for number in (11, 12, 13):
        (own / f"task/{number}").mkdir(parents=True)
        (own / f"task/{number}/stat").write_text(stat("py) thon (", number, 0.5))
    (own / "fd").mkdir()
    (own / "statm").write_text("5000 1234 400 1 0 900 0\n")
    (own / "stat").write_text(stat("keepline serve", 40.0, 2.0))
    (own / "smaps_rollup").write_text("55-7f ---p 0 00:00 0 [rollup]\nRss: 9 kB\nPss: 3072 kB\n")
    (root / "proc/stat").write_text("cpu 1 2 3\nbtime 1700000000\nprocesses 9\n")
    (root / "proc/meminfo").write_text("MemTotal:    2048 kB\nMemFree:  100 kB\n")
    return root


def test_memory_and_cpu_are_read_from_the_files_of_the_process(tmp_path: Path) -> None:
    groups = {11: "loop", 12: "hub", 13: "hub", 99: "log"}  # the last one has ended
    reading = Procfs(lambda: groups, make_tree(tmp_path)).read(slow=False)
    assert reading.memory_bytes == 1234 * PAGE
    assert reading.cpu_s == 42.0
    assert reading.started_at == 1_700_000_005.0
    assert reading.threads_s == {"loop": 11.5, "hub": 26.0}
    assert reading.descriptor_limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_what_is_slow_to_read_stays_until_it_is_read_again(tmp_path: Path) -> None:
    procfs = Procfs(dict, make_tree(tmp_path))
    assert procfs.read(slow=False).pss_bytes is None
    reading = procfs.read(slow=True)
    assert (reading.pss_bytes, reading.memory_limit_bytes) == (3072 * 1024, 2048 * 1024)
    (tmp_path / "proc/self/smaps_rollup").unlink()
    assert procfs.read(slow=False).pss_bytes == 3072 * 1024
    assert procfs.read(slow=True).pss_bytes is None


def test_a_group_limits_memory_below_what_the_machine_has(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    (root / "proc/self/mountinfo").write_text("1 1 0:1 / /cg rw - cgroup2 cgroup2 rw\n")
    (root / "proc/self/cgroup").write_text("0::/a\n")
    (root / "cg/a").mkdir(parents=True)
    (root / "cg/a/memory.max").write_text("1000000\n")
    assert Procfs(dict, root).read(slow=True).memory_limit_bytes == 1_000_000
    (root / "cg/a/memory.max").write_text("3000000\n")  # more than there is
    assert Procfs(dict, root).read(slow=True).memory_limit_bytes == 2048 * 1024


def test_a_machine_that_tells_nothing_is_no_failure(tmp_path: Path) -> None:
    reading = Procfs(lambda: {1: "loop"}, tmp_path).read(slow=True)
    assert reading[:4] == (None, None, None, None)
    assert (reading.threads_s, reading.descriptors) == ({}, None)


@pytest.mark.parametrize("content", ["", "x", "1 (", "1 2 3"])
def test_a_file_that_is_not_as_expected_is_no_failure(tmp_path: Path, content: str) -> None:
    root = make_tree(tmp_path)
    for name in ("statm", "stat", "smaps_rollup"):
        (root / "proc/self" / name).write_text(content)
    reading = Procfs(dict, root).read(slow=True)
    assert reading.cpu_s is None
    assert reading.pss_bytes is None


def test_an_older_kernel_has_its_descriptors_listed_with_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree(tmp_path)
    for number in range(1_200):
        (root / f"proc/self/fd/{number}").touch()
    monkeypatch.setattr(Procfs, "_count_descriptors", lambda _: 0)
    pauses: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda _, for_s: pauses.append(for_s))
    procfs = Procfs(dict, root)
    assert procfs.read(slow=False).descriptors is None
    assert procfs.read(slow=True).descriptors == procfs.read(slow=False).descriptors == 1_200
    assert len(pauses) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads the real /proc")
def test_the_real_process_is_read() -> None:
    own = {threading.get_native_id(): "loop"}
    reading = Procfs(lambda: own).read(slow=True)
    assert reading.memory_bytes is not None
    assert reading.memory_bytes > 1 << 20
    assert reading.memory_limit_bytes is not None
    assert reading.memory_limit_bytes > reading.memory_bytes
    assert reading.cpu_s is not None
    assert 0 < reading.threads_s["loop"] <= reading.cpu_s + 0.1
    before = reading.descriptors
    assert before is not None
    opened = [os.open("/", os.O_RDONLY) for _ in range(5)]
    try:
        after = Procfs(dict).read(slow=True).descriptors
        assert after is not None
        assert after - before == 5
    finally:
        for descriptor in opened:
            os.close(descriptor)
