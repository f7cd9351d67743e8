"""The runner without the suite: wrong use, a machine that lacks something, and the endpoint."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect

from tests.conformance import endpoint, missing, python2, run
from tests.conformance.endpoint import EndpointError
from tests.conformance.missing import MissingError

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


def test_a_machine_without_the_interpreter_ends_with_status_3_and_says_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run.main(["--python2", "/no/such/python2.7", "--url", "ws://127.0.0.1:1/"]) == 3

    said = capsys.readouterr().err
    assert "/no/such/python2.7" in said
    assert "pyenv install 2.7.18" in said


def test_a_python_3_is_no_interpreter_for_the_suite(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"is Python 3\.\d+"):
        python2.find(tmp_path, sys.executable)


def test_debian_11_is_not_tried_without_the_tools_to_fetch_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingError, match="no apt-get here"):
        python2.find(tmp_path, "debian")


def test_a_failed_step_says_the_last_words_of_its_command() -> None:
    command = [sys.executable, "-c", "print('first'); print('no space left'); raise SystemExit(7)"]

    with pytest.raises(MissingError, match=r"(?s)unpacking: exit 7 .*no space left"):
        missing.run_step("unpacking", command)


@pytest.mark.parametrize("cases", ["six", "6.", "*", "6.*,"])
def test_cases_are_numbers_with_a_star_at_most_at_the_end(cases: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main(["--cases", cases])

    assert ended.value.code == 2


async def test_the_endpoint_echoes_16_mib_of_anything_on_any_path_without_login(
    tmp_path: Path,
) -> None:
    with endpoint.running(tmp_path / "log") as url:
        async with connect(f"{url}any/path?x=1", max_size=None, compression=None) as client:
            for message in ("tüßt", b"\x00\xff", "x" * (16 * MIB), bytes(16 * MIB)):
                await client.send(message)
                assert await client.recv() == message


def test_an_endpoint_that_does_not_start_is_named_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "ROOT", tmp_path)  # where no such module is

    with (
        pytest.raises(EndpointError, match=r"(?s)does not listen .*No module named"),
        endpoint.running(tmp_path / "log"),
    ):
        pytest.fail("it started")
