"""Trees of files as version 1 and version 2 of control groups have them, in their many mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepline.monitor.process.cgroup import cores_limit, memory_limit_bytes

MIB = 1 << 20
V2 = "30 23 0:26 {top} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1 = "35 31 0:32 {top} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
OTHER_V1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct"
HYBRID_V2 = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    return tmp_path


def write(tree: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")


def mounted(tree: Path, *lines: str, group: str) -> None:
    write(tree, {"proc/self/mountinfo": "\n".join(lines), "proc/self/cgroup": group})


def test_the_lowest_limit_on_the_way_up_counts_in_version_2(tree: Path) -> None:
    mounted(tree, V2.format(top="/"), group="0::/system.slice/keepline.service")
    slice_, service = "sys/fs/cgroup/system.slice", "sys/fs/cgroup/system.slice/keepline.service"
    write(tree, {f"{service}/memory.max": f"{512 * MIB}", f"{service}/memory.high": "max"})
    assert memory_limit_bytes(tree) == 512 * MIB
    write(tree, {f"{slice_}/memory.max": f"{256 * MIB}"})
    assert memory_limit_bytes(tree) == 256 * MIB
    write(tree, {f"{service}/memory.high": f"{200 * MIB}"})
    assert memory_limit_bytes(tree) == 200 * MIB


def test_max_is_no_limit(tree: Path) -> None:
    mounted(tree, V2.format(top="/"), group="0::/user.slice")
    write(tree, {"sys/fs/cgroup/user.slice/memory.max": "max"})
    assert memory_limit_bytes(tree) is None


def test_a_container_of_version_2_sees_its_own_group_as_the_top(tree: Path) -> None:
    mounted(tree, V2.format(top="/"), group="0::/")
    write(tree, {"sys/fs/cgroup/memory.max": f"{64 * MIB}"})
    assert memory_limit_bytes(tree) == 64 * MIB


@pytest.mark.parametrize("group", ["0::/../other", "0::/elsewhere"])
def test_a_group_outside_of_what_is_mounted_is_taken_for_the_top(tree: Path, group: str) -> None:
    mounted(tree, V2.format(top="/kubepods/pod7"), group=group)
    write(tree, {"sys/fs/cgroup/memory.max": f"{64 * MIB}"})
    assert memory_limit_bytes(tree) == 64 * MIB


def test_version_1_says_none_by_a_number_beyond_all_memory(tree: Path) -> None:
    mounted(tree, OTHER_V1, V1.format(top="/"), group="5:cpu:/x\n4:memory:/a/b\n0::/")
    top, group = "sys/fs/cgroup/memory", "sys/fs/cgroup/memory/a/b"
    write(tree, {f"{top}/memory.limit_in_bytes": "9223372036854771712"})
    assert memory_limit_bytes(tree) is None
    write(tree, {f"{group}/memory.limit_in_bytes": f"{300 * MIB}"})
    assert memory_limit_bytes(tree) == 300 * MIB
    write(tree, {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{100 * MIB}"})
    assert memory_limit_bytes(tree) == 100 * MIB


def test_a_container_of_version_1_is_mounted_below_a_path_of_the_host(tree: Path) -> None:
    mounted(tree, V1.format(top="/docker/0123"), group="4:memory:/docker/0123")
    write(tree, {"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{128 * MIB}"})
    assert memory_limit_bytes(tree) == 128 * MIB


def test_both_versions_at_once_are_both_asked(tree: Path) -> None:
    mounted(tree, V1.format(top="/"), HYBRID_V2, group="4:memory:/a\n0::/b")
    write(
        tree,
        {
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{128 * MIB}",
            "sys/fs/cgroup/unified/b/memory.max": f"{96 * MIB}",
        },
    )
    assert memory_limit_bytes(tree) == 96 * MIB


@pytest.mark.parametrize("broken", ["", "nonsense", "1 2 3", "30 23 0:26 / /m rw - cgroup"])
def test_without_groups_there_is_no_limit(tree: Path, broken: str) -> None:
    assert (memory_limit_bytes(tree), cores_limit(tree)) == (None, None)
    mounted(tree, broken, group="0::/a")
    assert (memory_limit_bytes(tree), cores_limit(tree)) == (None, None)


def test_the_lowest_quota_on_the_way_up_counts_in_version_2(tree: Path) -> None:
    mounted(tree, V2.format(top="/"), group="0::/system.slice/keepline.service")
    slice_, service = "sys/fs/cgroup/system.slice", "sys/fs/cgroup/system.slice/keepline.service"
    write(tree, {f"{slice_}/cpu.max": "max 100000", f"{service}/cpu.max": "50000 100000"})
    assert cores_limit(tree) == 0.5
    write(tree, {f"{slice_}/cpu.max": "25000 100000"})
    assert cores_limit(tree) == 0.25


def test_version_1_says_no_quota_by_less_than_none(tree: Path) -> None:
    mounted(tree, OTHER_V1, V1.format(top="/"), group="5:cpu,cpuacct:/a/b\n4:memory:/x\n0::/")
    group = "sys/fs/cgroup/cpu/a/b"
    write(tree, {f"{group}/cpu.cfs_quota_us": "-1", f"{group}/cpu.cfs_period_us": "100000"})
    assert cores_limit(tree) is None
    write(tree, {f"{group}/cpu.cfs_quota_us": "150000"})
    assert cores_limit(tree) == 1.5
