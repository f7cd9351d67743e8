from __future__ import annotations

import pytest
from pydantic import ValidationError

from keepline.settings.section import Section, Texts


class Hosts(Section):
    names: Texts = ()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["a", "b"], ("a", "b")),
        ("a, b", ("a", "b")),
        ("a", ("a",)),
        ("", ()),
        (" a ,, b ", ("a", "b")),
    ],
)
def test_several_texts_are_a_list_or_separated_by_commas(
    given: object, read: tuple[str, ...]
) -> None:
    assert Hosts.model_validate({"names": given}).names == read


def test_a_number_is_no_list_of_texts() -> None:
    with pytest.raises(ValidationError):
        Hosts.model_validate({"names": 7})


def test_a_section_refuses_a_name_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        Hosts.model_validate({"name": ["a"]})
