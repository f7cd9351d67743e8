"""The raw figures of a run as JSON, with everything needed to judge and repeat them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bench.machine import machine, packages
from bench.targets import targets, verdict

if TYPE_CHECKING:
    from bench.candidates import Candidate
    from bench.plan import Plan
    from bench.readings import Results


class Report:
    """Made before a run, because the machine is described as it was then."""

    def __init__(self, plan: Plan, candidates: list[Candidate]) -> None:
        self._plan = plan
        self._head = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": " ".join(["python -m bench", *sys.argv[1:]]),
            "machine": machine(),
            "packages": packages(candidates),
            "plan": asdict(plan),
        }

    def of(self, results: Results, *, took_s: float) -> dict[str, Any]:
        """The whole report; `met` is null where a verdict needs what was not measured."""
        verdicts = [
            {
                "what": target.what,
                "target": target.aim.replace("\n", " "),
                "met": verdict(target, results),
            }
            for target in targets(self._plan)
        ]
        candidates = {name: measured.as_json() for name, measured in results.items()}
        return self._head | {
            "took_s": round(took_s),
            "targets": verdicts,
            "candidates": candidates,
        }
