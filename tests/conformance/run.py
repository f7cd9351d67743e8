"""`python -m tests.conformance.run`: the Autobahn fuzzing client against a server of ours.

Exit status: 0 as expected.toml says, 1 different, 2 wrong use, 3 the suite cannot run here.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tests.conformance import endpoint, expected, fuzzing, packages, page, python2
from tests.conformance.endpoint import EndpointError
from tests.conformance.missing import MissingError
from tests.conformance.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

CACHE = Path(__file__).parents[2] / ".cache/autobahn"
AS_EXPECTED, DIFFERENT, CANNOT_RUN = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    cases: list[str]  # patterns; empty for all
    url: str | None  # None: our own endpoint
    python2: str | None
    json: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    options, write_docs = _parse(arguments)
    wanted = expected.load()
    if write_docs:
        page.write(wanted)
        return AS_EXPECTED
    notes = Console(stderr=True, highlight=False)
    try:
        verdict = _run(options, wanted, notes)
    except MissingError as error:
        notes.print(f"Cannot run the conformance suite here:\n{error}", markup=False)
        return CANNOT_RUN
    except EndpointError as error:
        notes.print(str(error), markup=False)
        return DIFFERENT
    _show(verdict, as_json=options.json)
    return AS_EXPECTED if verdict.passed else DIFFERENT


def _run(options: Options, wanted: expected.Expected, notes: Console) -> Verdict:
    CACHE.mkdir(parents=True, exist_ok=True)
    with notes.status("preparing the suite"):
        interpreter = python2.find(CACHE, options.python2)
        client = fuzzing.Client(interpreter, packages.install(CACHE, interpreter), CACHE)
    server: AbstractContextManager[str]
    server = nullcontext(options.url) if options.url else endpoint.running(CACHE / "endpoint.log")
    begin = time.monotonic()
    with server as url, notes.status("running") as status:
        patterns = options.cases or wanted.patterns
        outcomes = client.run(url, patterns, lambda case: status.update(f"case {case}"))
    lines = expected.differences(wanted, outcomes, whole=not options.cases)
    if not outcomes:
        lines.append(f"no case was run: is a server listening at {url}, do such cases exist?")
    return Verdict(
        expected=wanted,
        outcomes=outcomes,
        differences=lines,
        server=options.url or "tests.conformance.echo_server",
        interpreter=f"{interpreter.executable} ({interpreter.origin})",
        duration_s=time.monotonic() - begin,
    )


def _show(verdict: Verdict, *, as_json: bool) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    if as_json:
        sys.stdout.write(json.dumps(verdict.as_json(), indent=2) + "\n")
        return
    for table in verdict.tables():
        console.print(table)
    for line in verdict.differences:
        console.print(f"not as expected: {line}", style="red", markup=False)
    word = "as expected" if verdict.passed else "NOT as expected"
    console.print(f"{len(verdict.outcomes)} cases in {verdict.duration_s:.0f} s, {word}.")
    console.print(f"Wire logs of every case: {CACHE / 'report/index.html'}", soft_wrap=True)


def _parse(arguments: Sequence[str] | None) -> tuple[Options, bool]:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.run", description=__doc__)
    parser.add_argument("--cases", type=_patterns, default=[], help="some cases: '1.*,6.4.*'")
    parser.add_argument("--url", help="a server that already runs: ws://127.0.0.1:9001/")
    parser.add_argument(
        "--python2", help="a CPython 2.7, or 'debian': unpack Debian 11's even if another is here"
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    parser.add_argument("--write-docs", action="store_true", help="only renew docs/conformance.md")
    given = parser.parse_args(arguments)
    options = Options(cases=given.cases, url=given.url, python2=given.python2, json=given.json)
    return options, given.write_docs


def _patterns(text: str) -> list[str]:
    patterns = [part.strip() for part in text.split(",")]
    for pattern in patterns:
        if not re.fullmatch(r"\d+(\.\d+)*(\.\*)?", pattern):
            raise argparse.ArgumentTypeError(
                f"{pattern!r} is neither a case (6.4.1) nor a .* of it"
            )
    return patterns


if __name__ == "__main__":
    sys.exit(main())
