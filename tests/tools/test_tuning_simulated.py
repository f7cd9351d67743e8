from __future__ import annotations

from tools.tuning_simulated import table


def test_the_table_has_a_row_for_each_way() -> None:
    made = table(1, 1, (0.02, 0.02))
    assert made.count("\n") == 5
    assert made.splitlines()[2].startswith("| every 30 s (seed), stock |")
