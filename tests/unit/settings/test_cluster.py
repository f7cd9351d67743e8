"""With which other nodes: addresses are checked, and never repeated."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from keepline.settings.cluster import Cluster


def test_without_an_address_there_is_no_cluster() -> None:
    assert Cluster().servers == ()


def test_several_servers_are_separated_by_commas() -> None:
    given = Cluster(url="nats://a:4222, tls://user:word@b:4222,")
    assert given.servers == ("nats://a:4222", "tls://user:word@b:4222")


@pytest.mark.parametrize("url", ["", " , ", "a:4222", "http://a:4222", "nats://", "nats://a b"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="url must"):
        Cluster(url=url)


def test_a_password_is_neither_shown_nor_repeated_in_a_complaint() -> None:
    assert "word" not in repr(Cluster(url="nats://user:word@a:4222"))
    with pytest.raises(ValidationError) as refused:
        Cluster(url="user:word@a:4222")
    assert all("word" not in error["msg"] for error in refused.value.errors())


@pytest.mark.parametrize("node", ["a.b", "a b", "", "ä"])
def test_a_name_that_cannot_stand_in_a_subject_is_refused(node: str) -> None:
    with pytest.raises(ValidationError):
        Cluster(node=node)
