"""Says where promtool is, and gets it from Debian's package where there is none; no root needed.

python -m tools.promtool

It is the checker of Prometheus' own configuration and rules. Status 3: it is not to be had here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

KEPT = Path(sys.prefix) / "bin" / "promtool"
PATIENCE_S = 180
NOT_HERE = 3


def find() -> Path | None:
    """Return the one that is installed, or was got before; None for none."""
    installed = shutil.which("promtool")
    if installed is not None:
        return Path(installed)
    return KEPT if KEPT.exists() else None


def get() -> Path | None:
    """Take it out of the package `prometheus`, as apt has checked it, into this environment."""
    if any(shutil.which(each) is None for each in ("apt-get", "dpkg-deb")):
        return None
    with tempfile.TemporaryDirectory() as scratch:
        if not _ran("apt-get", "download", "prometheus", into=scratch):
            return None
        [package] = Path(scratch).glob("prometheus_*.deb")
        if not _ran("dpkg-deb", "-x", str(package), "out", into=scratch):
            return None
        shutil.copy2(Path(scratch) / "out" / "usr" / "bin" / "promtool", KEPT)
    return KEPT


def _ran(*command: str, into: str) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 (words of our own)
            command, cwd=into, timeout=PATIENCE_S, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode:
        sys.stderr.write(done.stderr)
    return done.returncode == 0


def main() -> int:
    """Say where it is, or that there is none."""
    found = find() or get()
    if found is None:
        sys.stderr.write("no promtool: install the package prometheus of your system\n")
        return NOT_HERE
    sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
