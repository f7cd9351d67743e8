"""Runs a command as the terminal's foreground job, and exits with its status.

Ctrl-C then reaches the command alone. `make` would get it too otherwise, and end with status 130
however cleanly the command went.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def main(command: list[str]) -> int:
    """Run `command`; without a terminal in our hands, become it."""
    if not sys.stdin.isatty() or os.tcgetpgrp(0) != os.getpgrp():
        os.execvp(command[0], command)  # noqa: S606 - no shell wanted
    child = subprocess.Popen(command, process_group=0)  # noqa: S603
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # or giving the terminal on would stop us
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda received, _frame: child.send_signal(received))
    return _in_foreground(child.pid)


def _in_foreground(child: int) -> int:
    ours = os.getpgrp()
    while True:
        os.tcsetpgrp(0, child)
        _, status = os.waitpid(child, os.WUNTRACED)
        os.tcsetpgrp(0, ours)
        if not os.WIFSTOPPED(status):
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        os.killpg(ours, signal.SIGSTOP)  # Ctrl-Z stops all of us; `fg` lets us go on here
        os.killpg(child, signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
