from __future__ import annotations

from keepline.hub.database import Database
from keepline.hub.operations import SaveState, TakeClaim
from keepline.hub.traces import FindTraces, Traces


def test_who_has_left_a_trace_is_always_found() -> None:
    traces = Traces()
    ids = [f"device-{number}" for number in range(2_000)]
    for device_id in ids:
        traces.leave(device_id)
    assert all(device_id in traces for device_id in ids)


def test_few_others_are_taken_for_one_that_has() -> None:
    traces = Traces()
    for number in range(1_000):
        traces.leave(f"device-{number}")
    confused = sum(f"stranger-{number}" in traces for number in range(10_000))
    assert confused < 200


def test_an_id_that_cannot_be_encoded_has_a_place_all_the_same() -> None:
    traces = Traces()
    traces.leave("\ud800")
    assert "\ud800" in traces


def test_what_the_file_has_leaves_its_traces() -> None:
    database, traces = Database(None), Traces()
    kept, nothing = TakeClaim("kept", "node", "s1", 1.0), TakeClaim("nothing", "node", "s2", 1.0)
    database.apply([kept, nothing, SaveState("kept", "s1", 1.0, b"state"), FindTraces(traces)])
    assert "kept" in traces
    assert "nothing" not in traces
