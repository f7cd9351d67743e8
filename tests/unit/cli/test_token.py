from __future__ import annotations

from keepline.settings import Settings
from tests.unit.cli.command_line import typed


def test_every_token_is_new_and_allowed() -> None:
    first, second = typed("token")[1].strip(), typed("token")[1].strip()
    assert first != second
    assert Settings.model_validate({"auth": {"token": first}}).auth.token == first
