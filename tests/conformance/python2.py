"""Finds a CPython 2.7 for the suite: pyenv's, one on PATH, or Debian 11's, unpacked privately.

Upstream never moved the suite to Python 3, so this is the price of the real thing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance import bullseye
from tests.conformance.missing import MissingError, run_step

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE = (
    "import ctypes, ssl, sys, zlib; "
    "assert sys.version_info[:2] == (2, 7), 'is Python %d.%d' % sys.version_info[:2]; "
    "sys.stdout.write('cp27mu' if sys.maxunicode > 0xffff else 'cp27m')"
)
ADVICE = (
    "The suite needs CPython 2.7. Any of these will do: `pyenv install 2.7.18`; a python2.7 on"
    " PATH; a Debian or Ubuntu with apt-get, dpkg-deb and a reachable Debian mirror, from which"
    " Debian 11's python2.7 is unpacked into .cache/ (no root needed)."
)


@dataclass(frozen=True, slots=True)
class Python2:
    """An interpreter that was seen working."""

    executable: Path
    origin: str  # for people
    abi: str  # "cp27mu" or "cp27m": which wheels fit
    libraries: str  # LD_LIBRARY_PATH, or empty

    def environment(self, *, path: str = "") -> dict[str, str]:
        """Environment variables for a run of it, with `path` as its only PYTHONPATH."""
        return _environment(self.libraries, path)


def find(cache: Path, wanted: str | None) -> Python2:
    """The interpreter to use.

    `wanted` is a file, "debian" for the unpacked one, or None for the first that works.
    Raises MissingError with what was tried.
    """
    tried: list[str] = []
    for origin, executable in _installed(wanted):
        try:
            return _probe(executable, origin, libraries="")
        except MissingError as error:
            tried.append(str(error))
    if wanted in (None, "debian"):
        try:
            executable, libraries = bullseye.unpack(cache)
            return _probe(executable, "Debian 11's, unpacked", libraries=libraries)
        except MissingError as error:
            tried.append(str(error))
    raise MissingError("\n".join([*(f"- {line}" for line in tried), ADVICE]))


def _installed(wanted: str | None) -> Iterator[tuple[str, Path]]:
    if wanted == "debian":
        return
    if wanted is not None:
        yield "asked for", Path(wanted)
        return
    # The files themselves: pyenv's shim on PATH refuses every version that is not selected.
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for executable in sorted(root.glob("versions/2.7.*/bin/python2.7"), reverse=True):
        yield "pyenv's", executable
    for folder in os.get_exec_path():
        executable = Path(folder) / "python2.7"
        if executable.is_file():
            yield "on PATH", executable


def _probe(executable: Path, origin: str, *, libraries: str) -> Python2:
    command = [str(executable), "-S", "-c", PROBE]
    abi = run_step(f"{origin} {executable}", command, environment=_environment(libraries, ""))
    return Python2(executable, origin, abi, libraries)


def _environment(libraries: str, path: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    added = {"PYTHONPATH": path, "LD_LIBRARY_PATH": libraries}
    return kept | {name: value for name, value in added.items() if value}
