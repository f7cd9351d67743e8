"""Other workers, asked by the loop that serves devices."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from keepline.admin.machine.workers import NOBODY, Question, Workers


async def test_to_ask_reads_no_certificates_which_would_hold_up_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", lambda _self, *given, **named: read.append(given)
    )
    workers = Workers(lambda: [1], lambda slot: tmp_path / f"{slot}.admin")
    assert (await workers.ask(1, Question("GET", "/readyz"))).status == NOBODY
    assert read == []
