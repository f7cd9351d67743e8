"""Which seeds are run: those that have ever found something, and new ones of every day."""

from __future__ import annotations

import tomllib
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from keepline.simulation.world import LIFE, ROUGH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.simulation.world import Mix

FAILED = Path(__file__).with_name("failed_seeds.toml")
MIXES: dict[str, Mix] = {"life": LIFE, "rough": ROUGH}
DAY_S = 86_400
SEEDS_OF_A_DAY = 100_000


def failed() -> list[tuple[int, str]]:
    """Return the seeds that have ever found something, and their mixes."""
    entries = tomllib.loads(FAILED.read_text("utf-8"))["failed"]
    return [(entry["seed"], entry["mix"]) for entry in entries]


def of_the_day(wall_s: float) -> Iterator[int]:
    """Yield the seeds of a day, which no other day has."""
    return count(int(wall_s // DAY_S) * SEEDS_OF_A_DAY)
