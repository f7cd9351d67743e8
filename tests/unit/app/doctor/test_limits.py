from __future__ import annotations

import resource
from pathlib import Path

import pytest

from keepline.app.descriptors import wanted_descriptors
from keepline.app.doctor.diagnosis import Standing
from keepline.app.doctor.limits import MIB, cores, memory, open_files
from keepline.settings.given import settings_from
from tests.unit.app.doctor.machine import write

SMALL = settings_from(server={"max_connections": 1_000, "max_admissions": 100})


def test_a_limit_on_open_files_that_is_too_low_says_which_one_would_do() -> None:
    diagnosis = open_files(SMALL, hard=1_024)
    assert diagnosis.standing is Standing.PROBLEM
    assert f"LimitNOFILE={wanted_descriptors(SMALL.server)}" in diagnosis.advice
    assert "max_connections to 668" in diagnosis.advice
    at_that = settings_from(server={"max_connections": 668, "max_admissions": 100})
    assert open_files(at_that, hard=1_024).standing is Standing.OK


def test_no_limit_on_open_files_is_enough() -> None:
    assert open_files(SMALL, hard=resource.RLIM_INFINITY).standing is Standing.OK
    least = settings_from(server={"max_connections": 1, "max_admissions": 1})
    assert open_files(least, hard=258).standing is Standing.OK
    assert open_files(least, hard=257).standing is Standing.PROBLEM


def test_memory_is_enough_to_a_quarter_short_or_too_little(tmp_path: Path) -> None:
    def judged(mib: int) -> Standing:
        write(tmp_path, "proc/meminfo", f"MemTotal: {mib * 1_024} kB\n")
        return memory(settings_from(), tmp_path).standing

    # 80 MiB, and 7.4 KiB for each of 15,000.
    assert [judged(mib) for mib in (512, 220, 128)] == ["ok", "warning", "problem"]


def test_advice_on_memory_is_enough_when_it_is_followed(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", f"MemTotal: {200 * 1_024} kB\n")
    advice = memory(settings_from(), tmp_path).advice
    fitting = int(advice.partition("max_connections to ")[2].partition(",")[0])
    lowered = settings_from(server={"max_connections": fitting})
    assert memory(lowered, tmp_path).standing is Standing.OK
    allowed = int(advice.partition("allow ")[2].partition(" MiB")[0]) + 1
    write(tmp_path, "proc/meminfo", f"MemTotal: {allowed * MIB // 1_024} kB\n")
    assert memory(settings_from(), tmp_path).standing is Standing.OK


def test_a_machine_that_tells_nothing_of_its_memory_is_no_problem(tmp_path: Path) -> None:
    assert memory(SMALL, tmp_path).standing is Standing.OK


@pytest.mark.parametrize(
    ("quota", "standing"),
    [("50000 100000", "warning"), ("200000 100000", "ok"), ("max 100000", "ok"), ("", "ok")],
)
def test_a_quota_below_one_core_is_told(tmp_path: Path, quota: str, standing: str) -> None:
    mount = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    write(tmp_path, "proc/self/mountinfo", mount)
    write(tmp_path, "proc/self/cgroup", "0::/system.slice/keepline.service\n")
    write(tmp_path, "sys/fs/cgroup/system.slice/keepline.service/cpu.max", quota)
    assert cores(tmp_path).standing == standing
