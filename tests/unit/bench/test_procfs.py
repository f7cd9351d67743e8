"""What the kernel says of this very process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.procfs import (
    Cpu,
    cpu,
    highest_kib,
    machine_busy_ns,
    memory,
    open_files,
    resident_kib,
    tree,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_work_shows_in_nanoseconds_not_in_ticks() -> None:
    work = "import sys; sum(range(100_000)); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", work]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None
        child.stdout.readline()
        used = cpu(child.pid)

    assert 0 < used.ran_ns < 10_000_000_000
    assert used.ran_ns % 1_000_000 != 0


def test_time_is_counted_from_an_earlier_reading_on() -> None:
    assert Cpu(30, 5).since(Cpu(10, 4)) == Cpu(20, 1)


def test_a_child_belongs_to_the_tree_while_it_lives() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as child:
        assert child.pid in tree(os.getpid())
    assert child.pid not in tree(os.getpid())


def test_memory_and_open_files_are_those_of_a_living_process() -> None:
    held = memory(os.getpid())

    assert held.rss_kib >= held.private_dirty_kib > 0
    assert open_files(os.getpid()) >= 3
    assert machine_busy_ns() > 0


def test_a_child_that_has_ended_holds_nothing() -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert child.pid in tree(os.getpid())  # it is not waited for
        assert memory(os.getpid()).rss_kib > 0
        assert resident_kib(os.getpid()) > 0
        assert open_files(os.getpid()) >= 3
        assert cpu(os.getpid()).ran_ns > 0


def test_the_most_that_a_process_has_held_is_no_less_than_what_it_holds() -> None:
    assert highest_kib(os.getpid()) >= resident_kib(os.getpid()) * 0.9  # counted in batches
