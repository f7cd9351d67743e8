"""Says where Chromium is, for the tests that look at pages, and gets Debian's where there is none.

python -m tools.browser

Status 3: it is not to be had here. Getting it takes root, and apt.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-wqy-zenhei")
PATIENCE_S = 180  # for each of three steps
NOT_HERE = 3


def find() -> Path | None:
    """Return the one that is installed, None for none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return None if found is None else Path(found)


def get() -> Path | None:
    """Install Debian's; its list of packages is renewed when it is too old to have it."""
    if shutil.which("apt-get") is None:
        return None
    install = ("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES)
    if not _ran(*install):
        _ran("apt-get", "update")
        _ran(*install)
    return find()


def _ran(*command: str) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 (words of our own)
            command, timeout=PATIENCE_S, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> int:
    """Say where it is, or that there is none."""
    found = find() or get()
    if found is None:
        sys.stderr.write("no Chromium: install the package chromium of your system\n")
        return NOT_HERE
    sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
