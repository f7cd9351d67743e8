"""Installs the pinned packages of the suite for Python 2 into the cache, once."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance.missing import run_step

if TYPE_CHECKING:
    from tests.conformance.python2 import Python2

HERE = Path(__file__).parent
PIP = HERE / "requirements-py2-pip.txt"
SUITE = HERE / "requirements-py2.txt"
# Everything but two pure Python packages has a wheel; without one nothing is compiled, pip says so.
NO_COMPILER = ("--only-binary=:all:", "--no-binary=autobahn,txaio", "--no-build-isolation")


def install(cache: Path, python2: Python2) -> Path:
    """The folder with the suite in it, for `site.addsitedir`. Raises MissingError."""
    pins = hashlib.sha256(PIP.read_bytes() + SUITE.read_bytes()).hexdigest()[:12]
    site = cache / f"site-{python2.abi}-{pins}"
    if site.exists():
        return site
    pip, fresh = cache / "pip.part", cache / "site.part"
    for folder in (pip, fresh):
        shutil.rmtree(folder, ignore_errors=True)
    flags = ("--target", pip, "--only-binary=:all:", "--no-compile")
    _pip_install(sys.executable, {}, PIP, *flags)
    environment = python2.environment(path=str(pip))
    _pip_install(python2.executable, environment, SUITE, "--target", fresh, *NO_COMPILER)
    fresh.rename(site)
    shutil.rmtree(pip)
    return site


def _pip_install(
    python: str | Path, environment: dict[str, str], requirements: Path, *flags: str | Path
) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    run_step(
        f"installing {requirements.name}",
        [*command, *flags, "-r", requirements],
        environment=environment or None,
    )
