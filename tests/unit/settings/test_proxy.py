from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from keepline.settings import Settings


def made(**fields: Any) -> Settings:
    return Settings.model_validate({"proxy": fields})


@pytest.mark.parametrize("trusted", ["10.0.0.0/8, ::1", ["10.0.0.0/8", "::1"]])
def test_trusted_proxies_are_addresses_and_networks(trusted: object) -> None:
    assert made(header="proxy", trusted=trusted).proxy.trusted == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize("trusted", ["10.0.0.1/8", "proxy.example.com", "10.0.0.0/33"])
def test_what_is_no_network_is_refused_with_an_example(trusted: str) -> None:
    with pytest.raises(ValidationError, match=r"like 10\.0\.0\.0/8"):
        made(header="proxy", trusted=trusted)


@pytest.mark.parametrize("header", ["proxy", "forwarded"])
def test_a_header_is_believed_from_somebody_or_from_nobody(header: str) -> None:
    with pytest.raises(ValidationError, match="trusted must name"):
        made(header=header)
    assert made(header="none").proxy.trusted == ()
