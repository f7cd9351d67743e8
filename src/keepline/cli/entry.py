"""The way in: what has to be so before the commands are loaded, which takes half a second."""

from __future__ import annotations

import signal
import sys

from keepline.cli.allocator import use_system_allocator
from keepline.cli.streams import hold_standard_streams


def main() -> None:
    """Run the command line; exits the process."""
    hold_standard_streams()
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:  # and not ignored, as of who runs in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends what still loads without a word
    if sys.argv[1:2] in (["serve"], ["demo"]):
        use_system_allocator()
    from keepline.cli.commands import app  # noqa: PLC0415 (as said above)

    if heard is signal.default_int_handler:
        signal.signal(signal.SIGINT, heard)
    app(prog_name="keepline")
