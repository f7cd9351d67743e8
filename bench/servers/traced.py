"""Runs another server module under tracemalloc; SIGUSR1 makes it write what it holds to a file.

python -m bench.servers.traced FILE MODULE [its arguments]
"""

from __future__ import annotations

import gc
import json
import runpy
import signal
import sys
import tracemalloc
from collections import Counter
from pathlib import Path


def holdings() -> dict[str, dict[str, list[int]]]:
    """`lines`: bytes and blocks by the line that allocated; `types`: bytes and objects by type.

    `types` sees only what the garbage collector tracks.
    """
    gc.collect()
    lines: Counter[str] = Counter()
    blocks: Counter[str] = Counter()
    for trace in tracemalloc.take_snapshot().traces:
        frame = trace.traceback[0]
        where = f"{_short(frame.filename)}:{frame.lineno}"
        lines[where] += trace.size
        blocks[where] += 1
    sizes: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    for item in gc.get_objects():
        kind = f"{type(item).__module__}.{type(item).__qualname__}".removeprefix("builtins.")
        sizes[kind] += sys.getsizeof(item)
        objects[kind] += 1
    return {
        "lines": {where: [size, blocks[where]] for where, size in lines.items()},
        "types": {kind: [size, objects[kind]] for kind, size in sizes.items()},
    }


def _short(filename: str) -> str:
    """The last three parts: enough to recognise, and no folder of this machine."""
    return "/".join(Path(filename).parts[-3:])


def main() -> None:
    file, module = Path(sys.argv[1]), sys.argv[2]
    del sys.argv[1:3]

    def write(_signal: int, _frame: object) -> None:
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(holdings()))
        unfinished.rename(file)

    signal.signal(signal.SIGUSR1, write)
    tracemalloc.start(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
