"""`keepline fleet` as outsiders start it: what is on stdout and stderr, and its exit status."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.process.processes import PORTS, TOKEN, Start, ends, read_until

NOBODY = "ws://127.0.0.1:1/xiaozhi/v1/"


def gateway_of(start: Start) -> str:
    process = start("serve", *PORTS, "--token", TOKEN)
    port = read_until(process.stderr, "started")["port"]
    return f"ws://127.0.0.1:{port}/xiaozhi/v1/"


def test_a_run_that_goes_well_is_status_0_and_one_json_object(start: Start) -> None:
    options = ["--devices", "20", "--seconds", "3", "--talk", "0.5", "--ramp", "50", "--json"]
    url = gateway_of(start)
    status, output, progress = ends(start("fleet", "--url", url, "--token", TOKEN, *options))
    report = json.loads(output)
    assert (status, report["ok"], report["problems"]) == (0, True, [])
    assert output.count("\n") == 1
    assert report["connected"] == report["devices"] == 20
    assert report["control"]["lost"] == report["audio"]["lost"] == 0
    assert report["audio"]["own"] > 0
    assert "connected 20/20" in progress
    assert TOKEN not in output + progress


def test_the_report_for_people_says_how_it_went(start: Start) -> None:
    url = gateway_of(start)
    arguments = [
        "--token",
        TOKEN,
        "--devices",
        "5",
        "--seconds",
        "1.5",
        "--die",
        "1",
        "--every",
        "0.5",
    ]
    status, output, _ = ends(start("fleet", "--url", url, *arguments))
    assert status == 0
    assert "all went well" in output
    assert "until the hello" in output
    assert "deaths" in output


def test_who_cannot_connect_is_status_1_with_the_reason(start: Start) -> None:
    status, output, _ = ends(
        start("fleet", "--url", NOBODY, "--devices", "3", "--seconds", "0.5", "--json")
    )
    report = json.loads(output)
    assert (status, report["ok"]) == (1, False)
    assert report["problems"][0].startswith("3 devices could not connect: ECONNREFUSED")
    assert report["connects"]["never_connected"] == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_an_end_a_signal_ends_it_with_its_report(
    start: Start, number: signal.Signals
) -> None:
    process = start(
        "fleet", "--url", gateway_of(start), "--token", TOKEN, "--devices", "5", "--json"
    )
    assert process.stderr is not None
    assert any("connected 5/5" in line for line in iter(process.stderr.readline, ""))
    process.send_signal(number)
    status, output, _ = ends(process)
    assert status == 0
    assert json.loads(output)["connected"] == 5


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ([], "--ota http://"),
        (["--url", "http://127.0.0.1/"], "ws://HOST:PORT/PATH"),
        (["--url", "ws://10.0.0.1/"], "--yes-i-run-this-server"),
        (["--url", NOBODY, "--devices", "0"], "--devices"),
        (["--url", NOBODY, "--talk", "1.1"], "--talk"),
        (["--url", NOBODY, "--profile", "none"], "--profile"),
        (["--url", NOBODY, "--audio-version", "4"], "--audio-version"),
        (["--url", NOBODY, "--every", "3"], "add --die"),
        (["--url", NOBODY, "--faults", "missing.toml"], "cannot read missing.toml"),
        (["--url", NOBODY, "--ca", "missing.pem"], "--ca"),
        (["--url", NOBODY, "--devices", "1000000"], "ulimit -n"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what_to_do(
    start: Start, arguments: list[str], advice: str
) -> None:
    status, output, complaints = ends(start("fleet", *arguments))
    assert (status, output) == (2, "")
    assert advice in complaints
    assert "Traceback" not in complaints


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[die]\nrate = 1\n", "`rate`"),
        ("[die]\nshare = 2\n", "die.share"),
        ("[dies]\n", "`dies`"),
        ("[die\n", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_of_faults_is_told_with_its_place(
    start: Start, tmp_path: Path, text: str, advice: str
) -> None:
    (tmp_path / "storm.toml").write_text(text)
    status, _, complaints = ends(start("fleet", "--url", NOBODY, "--faults", "storm.toml"))
    assert status == 2
    assert "storm.toml" in complaints
    assert advice in complaints
