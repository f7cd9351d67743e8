"""Whom to tell of alerts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from keepline.settings.alerts import Alerts


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "ftp://there.example/s3cret"}, "http:// or https://"),
        ({"url": "https://user:word@there.example/s3cret"}, "without a user"),
        ({"template": "slack"}, "there is none"),
        ({"flap_opens": 1}, "flap_opens"),
        ({"repeat_s": -1}, "repeat_s"),
    ],
)
def test_what_nobody_could_be_told_by_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as error:
        Alerts(**given)
    assert "s3cret" not in error.value.errors()[0]["msg"]


def test_an_address_and_a_secret_are_not_shown() -> None:
    shown = repr(Alerts(url="https://there.example/s3cret", secret="a-secret-of-ours"))
    assert "s3cret" not in shown
    assert "a-secret-of-ours" not in shown


def test_a_command_can_be_given_in_a_line_or_as_a_list() -> None:
    by_comma: Any = "/usr/bin/notify, --now"
    assert Alerts(command=by_comma).command == Alerts(command=("/usr/bin/notify", "--now")).command
