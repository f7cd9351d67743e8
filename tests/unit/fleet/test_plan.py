from __future__ import annotations

from typing import Any

import pytest

from keepline.errors import StartError
from keepline.fleet.faults import Dying, Faults
from keepline.fleet.plan import OTHER_DESCRIPTORS, Plan

HERE = "ws://127.0.0.1:8000/xiaozhi/v1/"
DYING = Faults(die=Dying(share=0.1))


def is_allowed(plan: Plan) -> bool:
    try:
        plan.check()
    except StartError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1.2.3"])
def test_this_machine_may_be_tested_without_asking(host: str) -> None:
    assert is_allowed(Plan(url=f"ws://{host}:8000/"))
    assert is_allowed(Plan(url=None, ota=f"http://{host}:8000/ota/"))


@pytest.mark.parametrize("host", ["gateway.local", "10.0.0.1", "127.0.0.1.example.com", "0.0.0.0"])
@pytest.mark.parametrize("name", ["url", "ota"])
def test_another_machine_is_left_alone_until_it_is_said_to_be_ours(host: str, name: str) -> None:
    scheme = "ws" if name == "url" else "https"
    urls: dict[str, Any] = {"url": HERE, name: f"{scheme}://{host}/"}
    with pytest.raises(StartError, match="--yes-i-run-this-server"):
        Plan(**urls).check()
    assert is_allowed(Plan(**urls, anywhere=True))


def test_a_device_takes_one_descriptor_and_one_that_dies_two() -> None:
    assert Plan(url=HERE, devices=500).descriptors == 500 + OTHER_DESCRIPTORS
    assert Plan(url=HERE, devices=500, faults=DYING).descriptors == 1_000 + OTHER_DESCRIPTORS


def test_too_few_descriptors_are_told_with_the_way_out() -> None:
    plan = Plan(url=HERE, devices=5_000, faults=DYING)
    plan.check_descriptors(10_064)
    with pytest.raises(StartError) as failure:
        plan.check_descriptors(10_063)
    assert "ulimit -n 10064" in failure.value.hint
    assert "--devices 4999 --seed 1" in failure.value.hint


def test_the_token_is_not_in_what_is_printed_of_a_plan() -> None:
    assert "secret" not in repr(Plan(url=HERE, token="secret"))
