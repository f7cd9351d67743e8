"""A real nats-server with JetStream, to be killed and started again as a test wants."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

from tests.waiting import eventually

OWN = Path(sys.executable).with_name("nats-server")  # from PyPI, beside this Python


class Engine:
    """One server; what it stores is in `directory`, and its port stays the same."""

    def __init__(self, directory: Path, *, jetstream: bool = True) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = -1  # one that is free
        self._directory = directory
        self._jetstream = jetstream
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and return when one can connect."""
        program = str(OWN) if OWN.exists() else shutil.which("nats-server")
        assert program is not None
        ports = self._directory / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir()
        options = ["-a", "127.0.0.1", "-p", str(self.port), "--ports_file_dir", str(ports)]
        if self._jetstream:
            options += ["-js", "-sd", str(self._directory / "store")]
        self._process = await asyncio.create_subprocess_exec(
            program,
            *options,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await eventually(lambda: self._read_port(ports))

    async def kill(self) -> None:
        """End it as a power cut would, but for what the kernel has."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def forget(self) -> None:
        """Lose all that was stored, as a disk does that was replaced."""
        shutil.rmtree(self._directory / "store")

    def _read_port(self, ports: Path) -> bool:
        for file in ports.iterdir():
            try:
                urls = json.loads(file.read_text())["nats"]
            except (ValueError, KeyError):
                return False
            self.port = int(urls[0].rpartition(":")[2])
            return True
        return False
