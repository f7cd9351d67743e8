"""The one error of this package: something the suite needs is not on this machine."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

STEP_TIMEOUT_S = 300


class MissingError(Exception):
    """The suite cannot run here; the message says what is missing and what would help."""


def run_step(
    what: str,
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Run one preparing command; returns its output.

    Raises MissingError, with the end of the command's own words, when it cannot be run or fails.
    """
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=STEP_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"{what}: {error}") from error
    if done.returncode != 0:
        last_words = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise MissingError(f"{what}: exit {done.returncode} from {command[0]}\n{last_words}")
    return done.stdout
