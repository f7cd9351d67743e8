"""The default limits, and that settings can check them."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import TypeAdapter, ValidationError

from keepline.wire.limits import Limits


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_every_limit_must_be_positive(name: str) -> None:
    adapter = TypeAdapter(Limits)
    assert getattr(adapter.validate_python({name: 1}), name) == 1
    with pytest.raises(ValidationError):
        adapter.validate_python({name: 0})


def test_before_the_hello_a_message_is_shorter() -> None:
    assert Limits(hello_bytes=10, message_bytes=20).before_hello().message_bytes == 10
    assert Limits(hello_bytes=20, message_bytes=10).before_hello().message_bytes == 10
    assert Limits(message_fragments=3).before_hello().message_fragments == 3
