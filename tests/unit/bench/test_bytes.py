from __future__ import annotations

from bench.bytes import OTHERS, PARTS, UNTRACED, by_part, table_of

LINES = {
    "keepline/gateway/entrance.py:74": [2_000, 10],
    "keepline/hub/writer.py:75": [300, 2],
    "keepline/hub/local.py:99": [100, 1],
    "lib/somewhere/else.py:1": [50, 1],
}


def test_bytes_are_summed_up_by_where_they_were_allocated() -> None:
    parts = by_part(LINES)
    assert parts[PARTS["gateway/entrance.py"]] == 2_000
    assert parts["hub"] == 400
    assert parts["registry"] == 0
    assert parts[OTHERS] == 50
    assert sum(parts.values()) == 2_450


def test_the_parts_of_a_session_make_its_rss() -> None:
    table = table_of({"rss": {"rss": [4_000, 1]}}, {"lines": LINES, "types": {}}, 10)
    names, sizes, _ = (list(column.cells) for column in table.columns)
    assert dict(zip(names, sizes, strict=True))[UNTRACED] == "155"
    assert sum(int(str(size)) for size in sizes[:-1]) == int(str(sizes[-1])) == 400
