from __future__ import annotations

from keepline.app.doctor.code import loaded
from keepline.app.doctor.diagnosis import ok, problem
from keepline.errors import StartError


def test_code_that_cannot_be_loaded_is_told_with_what_a_start_would_say() -> None:
    def fail() -> None:
        raise StartError("there is no module bot", "install it")

    assert loaded("handler", fail, "there") == problem(
        "handler", "there is no module bot", "install it"
    )
    assert loaded("handler", object, "there") == ok("handler", "there")
