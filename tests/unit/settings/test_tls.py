from __future__ import annotations

import pytest
from pydantic import ValidationError

from keepline.settings import Settings


def test_without_a_certificate_nothing_is_encrypted() -> None:
    assert Settings().tls.certificate is None


@pytest.mark.parametrize("field", ["key", "client_ca"])
def test_a_key_without_a_certificate_is_a_mistake(field: str) -> None:
    with pytest.raises(ValidationError, match="certificate is needed"):
        Settings.model_validate({"tls": {field: "some.pem"}})


def test_a_certificate_may_hold_its_own_key() -> None:
    settings = Settings.model_validate({"tls": {"certificate": "both.pem"}})
    assert settings.tls.key is None
