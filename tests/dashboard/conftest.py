"""A real gateway, devices of the test's own, and a real browser that looks at its page."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from websockets.sync.client import ClientConnection

from keepline.admin.page import BUILT
from tests.process.processes import KEEPLINE, PORTS, TOKEN, device, read_until
from tools import browser as chromium

PATIENCE_MS = 60_000  # on a machine that has other things to do
CHROMIUM = chromium.find()

expect.set_options(timeout=PATIENCE_MS)


class Shown(NamedTuple):
    """A gateway that runs, and where its dashboard is."""

    process: subprocess.Popen[str]
    port: object
    url: str


@pytest.fixture(scope="module")
def chromium_there() -> Iterator[Browser]:
    """Chromium, for the tests of a file; each has a context of its own.

    No longer: while it runs it has a loop of its own in this thread, and asynchronous tests of
    other files could have none.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium: python -m tools.browser gets it on Debian")
    if not (BUILT / "index.html").exists():
        pytest.skip("the page is not built: make dashboard")
    with sync_playwright() as playwright:
        # As root it has no sandbox; it sees no page but ours.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Callable[..., Shown]]:
    """Start gateways that look at themselves each second; none outlives its test.

    No governor: what it does on a machine that is busy is not what is looked at here.
    """
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> Shown:
        process = subprocess.Popen(
            [
                *(*KEEPLINE, "serve", "--token", TOKEN, *PORTS),
                *("--data", str(tmp_path / "data"), "--set", "monitor.interval_s=1"),
                *("--set", "governor.enabled=false", *arguments),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        started = read_until(process.stderr, "started")
        return Shown(process, started["port"], f"http://127.0.0.1:{started['admin_port']}")

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def connect() -> Iterator[Callable[[Shown, str], ClientConnection]]:
    """Connect devices that answer pings; all hang up after the test."""
    with ExitStack() as stack:
        yield lambda gateway, device_id: stack.enter_context(device(gateway.port, device_id))


class Visitor:
    """Somebody with a browser of their own. What went wrong in it is in `complaints`."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        self.page = self.new_tab()

    def new_tab(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._on_console)
        return page

    def _on_console(self, message: Any) -> None:
        # That a request failed is told by the browser itself; the page says it in its own words.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def look(self, gateway: Shown, page: str = "fleet") -> Page:
        self.page.goto(f"{gateway.url}/#/{page}")
        return self.page


@pytest.fixture
def visit(chromium_there: Browser) -> Iterator[Callable[..., Visitor]]:
    """Give visitors; whatever they did, no other host was asked and no error was in the console."""
    visitors: list[Visitor] = []

    def make(**options: Any) -> Visitor:
        context = chromium_there.new_context(**{"locale": "en-GB", **options})
        visitors.append(Visitor(context))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.context.close()
        assert visitor.hosts <= {"127.0.0.1"}
        assert visitor.complaints == []
