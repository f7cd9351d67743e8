"""Time is handed in, waits are named, queues are bounded, numbers carry their unit."""

from __future__ import annotations

import ast

from keepline.cli.known import known_settings
from tests.house.sources import calls, named, python_files

# Numbers that count things, or that are a share of something, have no unit.
WITHOUT_UNIT = {
    *("port", "workers", "max_connections", "max_admissions", "backlog"),
    *("head_lines", "message_fragments"),
    *("connections_per_address", "handshakes_per_address", "kicks"),
    *("device_delay", "device_deny", "device_ban", "address_delay", "address_deny", "address_ban"),
    *("frames_per_turn", "jitter", "audio_frames", "control_messages", "buffer_lines"),
    *(
        "audio_version",
        "events",
        "refusals",
        "waiting_events",
        "batch_events",
        "packets_ahead",
        "threads",
        "tool_calls",
        "tasks",
        "timers",
        "failing_devices",
    ),
    *("max_pending", "pending_per_address", "address_burst", "device_burst"),
    *("timezone_offset_minutes",),
    *("device_failures", "address_failures", "callback_requests", "callback_failures"),
    *("cpu_percent", "connections", "queue_depth", "clear_share", "flap_opens"),
    *("connects", "failures", "failure_share", "most_ejected"),
    *("replicas",),
    *("memory_lo_share", "memory_hi_share", "held", "judged_least", "judged_most"),
}


NEVER_S = 3_600  # a sleep this long is a task that never ends: no test waits for it


def number(node: ast.expr) -> float:
    """Return a literal's value, 0 for anything else."""
    known = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    return node.value if known else 0  # type: ignore[attr-defined]


def test_no_unit_test_sleeps() -> None:
    sleeping = [
        f"{named(path)}:{call.lineno}"
        for path in python_files("tests/unit")
        for call in calls(path, "sleep")
        if any(0 < number(argument) < NEVER_S for argument in call.args)
    ]
    assert sleeping == []


def test_no_wait_has_a_limit_without_a_name() -> None:
    unnamed = [
        f"{named(path)}:{call.lineno}"
        for path in python_files("src")
        for call in calls(path, "wait_for", "timeout", "sleep", "call_later")
        if any(number(argument) > 0 for argument in call.args)
    ]
    assert unnamed == []


def test_no_queue_is_unbounded() -> None:
    unbounded = [
        f"{named(path)}:{call.lineno}"
        for path in python_files("src")
        for call in calls(path, "Queue", "SimpleQueue", "LifoQueue", "PriorityQueue")
        if not (call.args or call.keywords)
    ]
    assert unbounded == []


def test_every_number_among_the_settings_carries_its_unit() -> None:
    bare = {
        name
        for name, known in known_settings().items()
        if isinstance(known.default, int | float)
        and not isinstance(known.default, bool)
        and not name.endswith(("_s", "_bytes", ".bytes"))
        and name.rpartition(".")[2] not in WITHOUT_UNIT
    }
    assert bare == set()
