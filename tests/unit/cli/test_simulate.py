from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from keepline.cli.commands import app
from keepline.cli.simulate import tell
from keepline.simulation.run import simulate
from keepline.simulation.world import ROUGH
from tests.simulation import planted

SMALL = ["simulate", "--seed", "3", "--devices", "3", "--hours", "0.02"]


def test_a_run_is_told_in_a_table_with_its_speed() -> None:
    ran = CliRunner().invoke(app, SMALL)
    assert ran.exit_code == 0, ran.output
    assert "held" in ran.output
    assert "device-hours per CPU second" in ran.output


def test_for_scripts_each_seed_is_an_object() -> None:
    ran = CliRunner().invoke(app, [*SMALL, "--seeds", "2", "--json"])
    told = [json.loads(line) for line in ran.output.splitlines()]
    assert [each["seed"] for each in told] == [3, 4]
    assert all(each["violation"] is None for each in told)
    assert told[0]["trace_hash"] != told[1]["trace_hash"]


def test_what_was_found_is_told_with_its_step_its_trace_and_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted.an_address_that_is_never_left(monkeypatch)
    result = simulate(1, ROUGH, lambda: 0.0)
    screen = StringIO()
    tell([result], ROUGH, rough=True, console=Console(file=screen, width=200))
    told = screen.getvalue()
    assert "found: counters" in told
    assert f"in step {result.step} of seed 1" in told
    assert result.trace[-1] in told
    assert "again: keepline simulate --seed 1 --rough --devices 12" in told
    ran = CliRunner().invoke(app, ["simulate", "--seed", "1", "--rough", "--trace", "2"])
    assert ran.exit_code == 1
    assert f"in step {result.step} of seed 1" in ran.output
