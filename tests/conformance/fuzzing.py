"""Runs the Autobahn fuzzing client and reads what it reports."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.conformance.missing import MissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.conformance.python2 import Python2

AGENT = "server"  # our name for the tested server in the report
RUN_TIMEOUT_S = 900.0
# -S and addsitedir: the packages of the cache, their namespace .pth files too, and no others.
START = (
    "import site, sys; site.addsitedir(sys.argv.pop(1)); "
    "from autobahntestsuite.wstest import run; run()"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the suite says of one case."""

    case: str  # "6.4.1"
    behavior: str  # OK, NON-STRICT, INFORMATIONAL, UNIMPLEMENTED, WRONG CODE, UNCLEAN or FAILED
    close: str  # the same, of how the connection ended
    duration_s: float

    @property
    def is_ok(self) -> bool:
        return self.behavior == self.close == "OK"


@dataclass(frozen=True, slots=True)
class Client:
    """The installed suite; `work` takes its report and its log."""

    python2: Python2
    site: Path
    work: Path

    def run(
        self, url: str, patterns: Sequence[str], started: Callable[[str], None]
    ) -> list[Outcome]:
        """Run the cases that match `patterns` ("6.*") against the server at `url`.

        `started` is told each case. Raises MissingError when the suite itself does not work;
        a server that goes away in the middle only makes the list shorter, and so do
        cases that do not exist.
        """
        report = self.work / "report"
        shutil.rmtree(report, ignore_errors=True)
        log = self.work / "client.log"
        self._drive(self._specification(url, patterns), log, started)
        index = report / "index.json"
        if not index.exists():
            said = log.read_text(errors="replace")
            if "Ok, will run 0 " in said or "\nKeyError: '" in said:
                return []  # no such cases
            last_words = "\n".join(said.splitlines()[-5:])
            raise MissingError(f"the suite wrote no report; the end of {log}:\n{last_words}")
        return read(json.loads(index.read_text()))

    def _specification(self, url: str, patterns: Sequence[str]) -> Path:
        file = self.work / "specification.json"
        specification = {
            "outdir": str(self.work / "report"),
            "servers": [{"agent": AGENT, "url": url}],
            "cases": list(patterns),
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        file.write_text(json.dumps(specification))
        return file

    def _drive(self, specification: Path, log: Path, started: Callable[[str], None]) -> None:
        python = [str(self.python2.executable), "-S", "-u", "-c", START, str(self.site)]
        with (
            log.open("w") as copy,
            subprocess.Popen(
                [*python, "-m", "fuzzingclient", "-s", str(specification)],
                env=self.python2.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
        ):
            watchdog = threading.Timer(RUN_TIMEOUT_S, process.kill)
            watchdog.start()
            try:
                for line in process.stdout or ():
                    copy.write(line)
                    if line.startswith("Running test case ID "):
                        started(line.split()[4])
                    elif line.startswith("Ok, will run 0 "):
                        process.kill()  # it would wait for ever
            finally:
                watchdog.cancel()
                process.kill()


def read(index: dict[str, Any]) -> list[Outcome]:
    """The outcomes of a report's index.json, in the suite's order."""
    outcomes = [
        Outcome(case, found["behavior"], found["behaviorClose"], found["duration"] / 1000)
        for case, found in index.get(AGENT, {}).items()
    ]
    return sorted(outcomes, key=lambda outcome: case_order(outcome.case))


def case_order(case: str) -> tuple[int, ...]:
    """Sort key: 9.10 comes after 9.2."""
    return tuple(int(part) for part in case.split("."))
