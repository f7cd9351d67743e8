from __future__ import annotations

import pytest

from keepline.wire.messages import Feature, Hello


@pytest.mark.parametrize("feature", ["mcp", "aec", "glyph_push", "ack", "resume"])
def test_a_feature_is_there_when_the_device_says_true(feature: Feature) -> None:
    assert Hello(features={feature: True}).has(feature)


@pytest.mark.parametrize("said", [False, None, "yes", 1, {}])
def test_a_feature_of_which_it_says_anything_else_is_not(said: object) -> None:
    hello = Hello(features={"mcp": said, "aec": True})
    assert not hello.has("mcp")
    assert not Hello().has("mcp")
