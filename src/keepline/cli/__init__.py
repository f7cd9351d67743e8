"""The commands: what is typed becomes `Settings`, and what goes wrong becomes advice."""

from keepline.cli.entry import main

__all__ = ["main"]
