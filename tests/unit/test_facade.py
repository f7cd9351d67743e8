"""What applications may rely on: this list is a promise, so it stands here once more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import keepline
import keepline.messages
import keepline.testing
import keepline.wire.messages

NAMES = {
    *("Handler", "Session", "ThreadedSession", "Speech", "Timer", "Tool", "ToolResult"),
    *("Alert", "Notice"),
    *("CloseReason", "Gateway", "Settings", "Authenticator", "Identity", "Request"),
    *("KeeplineError", "StartError", "SettingsError", "RefusedError", "SessionEndedError"),
    *("ToolError", "ToolTimeoutError", "NoToolsError"),
    *("Outcome", "HubDownError", "ReplacedError", "BudgetError", "Gone"),
}
MESSAGES = {
    *("DeviceMessage", "Hello", "AudioParams", "Feature", "TextFont", "Listen", "ListenMode"),
    *("ListenState", "Abort", "Mcp", "Custom", "Iot", "Goodbye", "ServerOrder", "Unknown"),
    *("ServerMessage", "Tts", "TtsState", "Stt", "Llm", "Alert", "System", "Glyph", "GlyphPush"),
}


def test_the_public_names_are_these_and_no_others() -> None:
    assert set(keepline.__all__) == {"__version__", *NAMES}
    assert set(keepline.messages.__all__) == MESSAGES
    assert set(keepline.testing.__all__) == {"Stage", "Device"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_public_name_leads_to_what_is_called_so(name: str) -> None:
    assert getattr(keepline, name).__name__ == name
    assert name in dir(keepline)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_each_public_message_is_there(name: str) -> None:
    assert getattr(keepline.messages, name) is getattr(keepline.wire.messages, name)


def test_a_name_that_is_not_there_is_told_as_python_does() -> None:
    with pytest.raises(AttributeError, match="'keepline' has no attribute 'Handle'"):
        keepline.Handle  # type: ignore[attr-defined]  # noqa: B018


def test_a_handler_is_written_without_loading_a_gateway() -> None:
    command = (
        "import sys; from keepline import Handler, CloseReason; from keepline.messages import Stt\n"
        "print({'keepline.app', 'asyncio', 'pydantic', 'fastapi', 'uvloop'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", command], check=False, capture_output=True, text=True
    )
    assert (loaded.stdout, loaded.stderr) == ("set()\n", "")


def test_a_gateway_of_one_s_own_loads_neither_the_simulator_nor_the_commands() -> None:
    command = (
        "import sys; from keepline import Gateway\n"
        "print({'keepline.fleet', 'keepline.cli', 'uvloop', 'typer'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", command], check=False, capture_output=True, text=True
    )
    assert (loaded.stdout, loaded.stderr) == ("set()\n", "")


APPLICATION = """
from typing import assert_type

import keepline
from keepline import CloseReason, Gateway, Handler, Session, ThreadedSession
from keepline.messages import DeviceMessage, Listen, Stt
from keepline.testing import Device, Stage


class Assistant(Handler):
    def text(self, session: Session, message: DeviceMessage) -> None:
        if isinstance(message, Listen) and message.text:
            session.send(Stt(message.text))

    def closed(self, session: Session, reason: CloseReason) -> None:
        assert_type(reason.cause, str)


class Blocking(Handler[ThreadedSession]):
    threaded = True

    def text(self, session: ThreadedSession, message: DeviceMessage) -> None:
        assert_type(session.call_tool("tool").text, str)


async def main() -> None:
    async with Stage(Blocking) as device:
        assert_type(device, Device)
    async with Gateway(Blocking):
        pass
    async with Gateway(Assistant, port=0) as gateway:
        assert_type(gateway.sessions, tuple[Session, ...])
        assert_type(gateway.session("a"), Session | None)
        assert_type(await gateway.kick("a"), bool)
        gateway.urll  # ERROR
        keepline.Handle  # ERROR
        Gateway(Assistant, prot=0)  # ERROR
"""


def test_a_type_checker_sees_what_the_names_are(tmp_path: Path) -> None:
    application = tmp_path / "application.py"
    application.write_text(APPLICATION)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(application)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    found = [line.split(":")[1] for line in checked.stdout.splitlines() if ": error:" in line]
    lines = APPLICATION.splitlines()
    assert found == [str(at) for at, line in enumerate(lines, 1) if "# ERROR" in line], checked
