from __future__ import annotations

from pathlib import Path

from keepline.monitor.process.procfs import PAGE_BYTES
from keepline.monitor.process.resident import LIMIT_EACH_S, Resident


def tree(root: Path, pages: int, limit_kib: int) -> Path:
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/statm").write_text(f"9000 {pages} 70 1 0 800 0\n")
    (root / "proc/meminfo").write_text(f"MemTotal:  {limit_kib} kB\n")
    return root


def test_resident_memory_is_told_as_a_share_of_what_there_may_be(tmp_path: Path) -> None:
    resident = Resident(tree(tmp_path, 256, PAGE_BYTES))
    assert resident.share_of_limit(0.0) == 0.25
    tree(tmp_path, 512, PAGE_BYTES)
    assert resident.share_of_limit(0.25) == 0.5
    resident.close()
    resident.close()
    assert resident.share_of_limit(0.5) == 0.5
    resident.close()


def test_the_limit_is_read_anew_after_a_while(tmp_path: Path) -> None:
    resident = Resident(tree(tmp_path, 256, PAGE_BYTES))
    resident.share_of_limit(0.0)
    tree(tmp_path, 256, 2 * PAGE_BYTES)
    assert resident.share_of_limit(1.0) == 0.25
    assert resident.share_of_limit(LIMIT_EACH_S) == 0.125
    resident.close()


def test_a_machine_without_these_files_tells_nothing(tmp_path: Path) -> None:
    resident = Resident(tmp_path)
    assert resident.share_of_limit(0.0) is None
    resident.close()


def test_this_process_holds_a_share_of_what_it_may() -> None:
    resident = Resident()
    share = resident.share_of_limit(0.0)
    resident.close()
    assert share is None or 0 < share < 1.5
