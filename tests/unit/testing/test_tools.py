"""What a device on the stage answers to JSON-RPC."""

from __future__ import annotations

from typing import Any

import pytest

from keepline.testing.tools import answer


@pytest.mark.parametrize(
    "payload",
    [None, [], "text", {"id": 1, "result": {}}, {"method": "notifications/initialized"}],
)
def test_what_is_no_request_has_no_answer(payload: Any) -> None:
    assert answer({}, payload) is None


def test_an_unknown_method_is_an_error_without_a_code() -> None:
    answered = answer({}, {"id": 1, "method": "keepline/alive"})
    assert answered == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"message": "Method not implemented: keepline/alive"},
    }


def test_its_tools_are_listed() -> None:
    answered = answer({"one": 1, "two": 2}, {"id": 1, "method": "tools/list"})
    assert answered is not None
    assert [tool["name"] for tool in answered["result"]["tools"]] == ["one", "two"]
