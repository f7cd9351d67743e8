"""A process around another one, which it ends when nobody needs it any more.

Started as a script, with the reading end of a pipe and a command line. It imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys

PATIENCE_S = 10.0
PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Run the command until it ends, or until the pipe does or a signal comes; return its status.

    The pipe ends with the last process that has its other end.
    """
    lifeline, *command = int(arguments[0]), *arguments[1:]
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    with subprocess.Popen(  # noqa: S603 (what we are told to run)
        command,
        preexec_fn=end_with_parent,  # noqa: PLW1509 (there are no threads)
    ) as process:
        while process.poll() is None:
            ready, _, _ = select.select([lifeline, woken], [], [])
            signals = os.read(woken, 64) if woken in ready else b""
            if lifeline in ready or {signal.SIGTERM, signal.SIGINT} & set(signals):
                end(process)
    status = process.returncode
    return status if status >= 0 else 128 - status


def end_with_parent() -> None:
    """Have the kernel end this process when its guardian is killed itself; Linux only."""
    # Here, since the guardian has no need of it.
    import ctypes  # noqa: PLC0415

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end(process: subprocess.Popen[bytes]) -> None:
    """Have it end, and see that it does."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_S)
        return
    process.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
