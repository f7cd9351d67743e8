"""The command line as it is typed in a test."""

from __future__ import annotations

from typer.testing import CliRunner

from keepline.cli.commands import app


def typed(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Return the status, what was printed, and what was complained about."""
    result = CliRunner().invoke(app, arguments, env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr
