from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest

from keepline.app.descriptors import wanted_descriptors
from keepline.app.doctor.diagnosis import Standing
from keepline.app.doctor.limits import cores, memory, open_files
from keepline.settings import Settings
from keepline.settings.given import settings_from
from tests.unit.app.doctor.machine import write

MOST = "max_connections to "
SMALL = settings_from(server={"max_connections": 1_000, "max_admissions": 100})


def number_after(words: str, advice: str) -> int:
    [number] = re.findall(re.escape(words) + r"(\d+)", advice)
    return int(number)


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
        return memory(settings_from(), remembers(tmp_path, mib)).standing

    # 80 MiB, and 7.4 KiB for each of 15,000.
    assert [judged(mib) for mib in (512, 220, 128)] == ["ok", "warning", "problem"]


def remembers(root: Path, mib: int) -> Path:
    return write(root, "proc/meminfo", f"MemTotal: {mib * 1_024} kB\n")


def test_the_memory_of_all_workers_counts(tmp_path: Path) -> None:
    def of_four(devices: int) -> Settings:
        return settings_from({"server": {"workers": 4, "max_connections": devices}})

    found = memory(of_four(4_000), remembers(tmp_path, 480))
    assert "16000 devices" in found.found
    assert memory(of_four(number_after(MOST, found.advice)), tmp_path).standing is Standing.OK


@pytest.mark.parametrize("mib", [200, 110, 100])
def test_advice_on_memory_is_enough_when_it_is_followed(tmp_path: Path, mib: int) -> None:
    advice = memory(settings_from(), remembers(tmp_path, mib)).advice
    if mib > 100:  # of 100 MiB three quarters are less than a gateway takes that is empty
        lowered = settings_from(server={"max_connections": number_after(MOST, advice)})
        assert memory(lowered, tmp_path).standing is Standing.OK
    assert (MOST in advice) == (mib > 100)
    remembers(tmp_path, number_after("allow ", advice))
    assert memory(settings_from(), tmp_path).standing is Standing.OK


@pytest.mark.parametrize("hard", [10_000, 4_353, 4_352, 4_096, 256])
def test_advice_on_open_files_is_enough_when_it_is_followed(hard: int) -> None:
    advice = open_files(settings_from(), hard).advice
    allowed = number_after("LimitNOFILE=", advice)
    assert open_files(settings_from(), allowed).standing is Standing.OK
    if hard > 4_352:  # what handshakes and the gateway itself take
        lowered = {"max_connections": number_after(MOST, advice)}
    elif hard > 256:
        both = number_after("max_connections and server.max_admissions to ", advice)
        lowered = {"max_connections": both - 1, "max_admissions": 1}
    else:
        assert "lower" not in advice
        return
    assert open_files(settings_from(server=lowered), hard).standing is Standing.OK


def test_of_a_machine_that_tells_nothing_nothing_is_claimed(tmp_path: Path) -> None:
    for diagnosis in (memory(SMALL, tmp_path), cores(tmp_path)):
        assert diagnosis.standing is Standing.OK
        assert diagnosis.found.startswith("this machine does not tell")


@pytest.mark.parametrize(
    ("quota", "standing"),
    [("50000 100000", "warning"), ("200000 100000", "ok"), ("max 100000", "ok"), ("", "ok")],
)
def test_a_quota_below_one_core_of_our_own_group_is_told(
    tmp_path: Path, quota: str, standing: str
) -> None:
    mount = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    write(tmp_path, "proc/self/mountinfo", mount)
    write(tmp_path, "proc/self/cgroup", "0::/system.slice/keepline.service\n")
    write(tmp_path, "sys/fs/cgroup/system.slice/keepline.service/cpu.max", quota)
    assert cores(tmp_path).standing == standing
