"""Small files, short functions, names that say what belongs there."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path, PurePath

from tests.house.sources import PACKAGE, ROOT, functions, named, python_files, tree

FILE_LINES = 500
MEDIAN_FILE_LINES = 200
FUNCTION_LINES = 70
TEST_NAME_WORDS = 3  # the least that makes a sentence
MEANINGLESS = {"utils", "util", "common", "base", "core", "manager", "helpers", "helper", "misc"}
UNIT_TESTS = ROOT / "tests" / "unit"
# Modules that are tested where more than they is needed, or that decide nothing.
TESTED_ELSEWHERE = {
    "src/keepline/admin/machine/server.py": "tests/process/test_workers.py",
    "src/keepline/admin/machine/workers.py": "tests/process/test_workers.py",
    "src/keepline/app/composition.py": "tests/gateway/test_embedding.py",
    "src/keepline/app/faults.py": "tests/process/test_signals.py",
    "src/keepline/app/fleet.py": "tests/process/test_fleet_command.py",
    "src/keepline/app/gateway.py": "tests/gateway/test_embedding.py",
    "src/keepline/app/process.py": "tests/process",
    "src/keepline/app/signals.py": "tests/process/test_signals.py",
    "src/keepline/app/telling.py": "tests/gateway/test_telling.py",
    "src/keepline/app/succession.py": "tests/process/test_upgrade.py",
    "src/keepline/app/upgrades.py": "tests/process/test_upgrade.py",
    "src/keepline/app/lifeline.py": "tests/process/test_reload.py",
    "src/keepline/app/workers/child.py": "tests/process/test_workers.py",
    "src/keepline/app/workers/looking_after.py": "tests/process/test_workers.py",
    "src/keepline/app/workers/renewal.py": "tests/process/test_workers_and_a_fleet.py",
    "src/keepline/app/workers/supervisor.py": "tests/process/test_workers.py",
    "src/keepline/cli/fleet.py": "tests/process/test_fleet_command.py",
    "src/keepline/fleet/channel.py": "tests/unit/fleet/test_device.py",
    "src/keepline/fleet/runner.py": "tests/device",
    "src/keepline/fleet/seat.py": "tests/device",
    "src/keepline/gateway/auth/callback.py": "tests/gateway/test_auth_callback.py",
    "src/keepline/gateway/auth/claims.py": "tests/unit/gateway/auth/test_tokens.py",
    "src/keepline/gateway/beside.py": "tests/unit/gateway/test_timers.py",
    "src/keepline/gateway/calls.py": "tests/unit/gateway/test_session.py",
    "src/keepline/gateway/gateway.py": "tests/device/test_fleet_and_gateway.py",
    "src/keepline/gateway/isolation/release.py": "tests/unit/gateway/isolation/test_faults.py",
    "src/keepline/gateway/handler.py": "tests/unit/gateway/test_session.py",
    "src/keepline/app/cluster.py": "tests/gateway/test_cluster.py",
    "src/keepline/hub/cluster/claims.py": "tests/hub/test_cluster.py",
    "src/keepline/hub/cluster/directory.py": "tests/hub/test_cluster.py",
    "src/keepline/hub/cluster/hub.py": "tests/hub/test_cluster.py",
    "src/keepline/hub/cluster/link.py": "tests/hub/test_link.py",
    "src/keepline/hub/cluster/neighbours.py": "tests/hub/test_cluster.py",
    "src/keepline/hub/cluster/outbox.py": "tests/hub/test_outbox.py",
    "src/keepline/hub/cluster/stream.py": "tests/hub/test_link.py",
    "src/keepline/hub/cluster/sweep.py": "tests/hub/test_sweep.py",
    "src/keepline/hub/cluster/upkeep.py": "tests/hub/test_cluster.py",
    "src/keepline/hub/local.py": "tests/hub",
    "src/keepline/app/memory.py": "tests/process/test_memory.py",
    "src/keepline/hub/twin.py": "tests/hub/test_contract.py",
    "src/keepline/hub/port.py": "tests/hub/test_contract.py",
    "src/keepline/gateway/opening.py": "tests/unit/relay/test_session.py",
    "src/keepline/gateway/receiver.py": "tests/unit/gateway/test_connection.py",
    "src/keepline/gateway/sending.py": "tests/unit/gateway/test_session.py",
    "src/keepline/monitor/process/reading.py": "tests/unit/monitor/process/test_procfs.py",
    "src/keepline/relay/ahead.py": "tests/gateway/test_balancing.py",
    "src/keepline/relay/dialing.py": "tests/gateway/test_relay.py",
    "src/keepline/relay/relay.py": "tests/gateway/test_relay.py",
    "src/keepline/relay/standing.py": "tests/gateway/test_relay.py",
    "src/keepline/relay/upstreams/checks.py": "tests/gateway/test_upstream_checks.py",
    "src/keepline/simulation/application.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/device.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/host.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/invariants.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/mischief.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/oracle/oracle.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/plug.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/run.py": "tests/simulation/test_seeds.py",
    "src/keepline/simulation/trace.py": "tests/simulation/test_replay.py",
    "src/keepline/simulation/transport.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/violation.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/watched.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/watching.py": "tests/simulation/test_bites.py",
    "src/keepline/simulation/world.py": "tests/simulation/test_seeds.py",
    "src/keepline/testing/line.py": "tests/unit/testing/test_device.py",
}


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_no_file_is_longer_than_its_limit() -> None:
    long = {named(path): lines_of(path) for path in python_files() if lines_of(path) > FILE_LINES}
    assert long == {}


def test_the_median_module_is_short() -> None:
    assert statistics.median(lines_of(path) for path in python_files("src")) <= MEDIAN_FILE_LINES


def test_no_function_is_longer_than_its_limit() -> None:
    long = {
        f"{named(path)}:{function.name}": function.end_lineno - function.lineno + 1
        for path in python_files()
        for function in functions(path)
        if function.end_lineno and function.end_lineno - function.lineno >= FUNCTION_LINES
    }
    assert long == {}


def test_no_module_or_room_has_a_name_that_says_nothing() -> None:
    paths = (PurePath(named(path)).with_suffix("") for path in python_files())
    assert {part for path in paths for part in path.parts} & MEANINGLESS == set()


def test_every_module_opens_by_saying_what_belongs_there() -> None:
    silent = [
        named(path)
        for path in python_files()
        if not path.name.startswith("test_")  # its name says what it tests
        and tree(path).body
        and ast.get_docstring(tree(path)) is None
    ]
    assert silent == []


def test_every_module_with_a_decision_in_it_has_its_tests() -> None:
    """Tests mirror the source: `tests/unit/<room>/test_<module>.py`."""
    untested = [
        named(path)
        for path in python_files("src")
        if any(functions(path))
        and not path.name.startswith("__")
        and not mirror(path).exists()
        and named(path) not in TESTED_ELSEWHERE
    ]
    assert untested == []
    gone = [place for place in TESTED_ELSEWHERE.values() if not (ROOT / place).exists()]
    assert gone == []


def mirror(path: Path) -> Path:
    return UNIT_TESTS / path.relative_to(PACKAGE).parent / f"test_{path.name}"


def test_a_room_s_opening_holds_no_code() -> None:
    """`__init__` says what the room is for and may re-export; `keepline` itself has a version."""
    for path in python_files("src"):
        if path.name == "__init__.py" and path.parent != PACKAGE:
            statements = [type(node) for node in tree(path).body[1:]]
            allowed = {ast.ImportFrom, ast.Assign}
            assert set(statements) <= allowed, named(path)


def test_test_names_are_sentences() -> None:
    short = [
        f"{named(path)}:{function.name}"
        for path in python_files("tests")
        for function in functions(path)
        if function.name.startswith("test_") and len(function.name.split("_")) <= TEST_NAME_WORDS
    ]
    assert short == []
