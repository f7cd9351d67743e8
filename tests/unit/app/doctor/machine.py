"""A tree that stands for a machine's /proc and /sys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def machine(root: Path, **files: str) -> Path:
    """Return a root with these files: `a__b` is a/b below proc/sys/net."""
    for name, text in files.items():
        write(root, f"proc/sys/net/{name.replace('__', '/')}", text)
    return root


def write(root: Path, path: str, text: str) -> Path:
    """Write one file, and the folders above it."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return root
