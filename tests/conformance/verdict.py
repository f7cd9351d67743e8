"""What a run found, for people (tables) and for machines (JSON)."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.expected import Expected
    from tests.conformance.fuzzing import Outcome

GRADES = ("OK", "NON-STRICT", "INFORMATIONAL")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One run, compared with the allow-list."""

    expected: Expected
    outcomes: list[Outcome]
    differences: list[str]
    server: str
    interpreter: str
    duration_s: float

    @property
    def passed(self) -> bool:
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """Plain data: counts by behaviour, every case that is not OK, the differences."""
        return {
            "server": self.server,
            "interpreter": self.interpreter,
            "duration_s": round(self.duration_s, 1),
            "cases": len(self.outcomes),
            "counts": dict(Counter(outcome.behavior for outcome in self.outcomes)),
            "counts_close": dict(Counter(outcome.close for outcome in self.outcomes)),
            "not_ok": [asdict(outcome) for outcome in self.outcomes if not outcome.is_ok],
            "differences": self.differences,
            "passed": self.passed,
        }

    def tables(self) -> Iterator[Table]:
        """The counts by group; then, if there are any, the cases that are not OK."""
        yield self._counts()
        not_ok = [outcome for outcome in self.outcomes if not outcome.is_ok]
        if not_ok:
            yield self._cases(not_ok)

    def _counts(self) -> Table:
        table = Table(title=f"Autobahn fuzzing client against {self.server}", title_justify="left")
        table.add_column("group")
        table.add_column("what it tests")
        for heading in ("cases", *GRADES, "failed", "seconds"):
            table.add_column(heading, justify="right")
        for group in self.expected.group:
            prefix = f"{group.number}."
            ran = [outcome for outcome in self.outcomes if outcome.case.startswith(prefix)]
            if ran:
                table.add_row(str(group.number), group.title, *_row(ran))
        table.add_section()
        table.add_row("all", "", *_row(self.outcomes))
        return table

    def _cases(self, not_ok: list[Outcome]) -> Table:
        table = Table(title="Cases that are not OK", title_justify="left")
        for heading in ("case", "behaviour", "close", "allowed because"):
            table.add_column(heading)
        reasons = {entry.case: entry.reason for entry in self.expected.allowed}
        for outcome in not_ok:
            reason = reasons.get(outcome.case, "[red]not on the allow-list[/]")
            table.add_row(outcome.case, outcome.behavior, outcome.close, reason)
        return table


def _row(outcomes: list[Outcome]) -> list[str]:
    counted = Counter(outcome.behavior for outcome in outcomes)
    failed = len(outcomes) - sum(counted[grade] for grade in GRADES)
    seconds = sum(outcome.duration_s for outcome in outcomes)
    return [
        str(len(outcomes)),
        *(str(counted[grade]) for grade in GRADES),
        str(failed),
        f"{seconds:.1f}",
    ]
