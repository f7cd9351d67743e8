from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from keepline.app.doctor.diagnosis import Diagnosis, Standing
from keepline.app.doctor.enrolment import enrolment
from keepline.settings.given import settings_from

STRONG = "mZ4x0Qw7bT2cV9sK"
LOOPBACK = "127.0.0.1"


def judged(*, judges: bool = True, **sections: Any) -> Diagnosis:
    return enrolment(settings_from(sections), judges=judges)


def on_a_network(**sections: Any) -> Diagnosis:
    return judged(server={"host": "0.0.0.0"}, **sections)


def test_on_this_machine_alone_open_is_fine() -> None:
    assert judged().standing is Standing.OK
    assert judged(enrolment={"policy": "open"}).standing is Standing.OK


def test_open_to_a_network_is_a_problem_unless_it_was_asked_for() -> None:
    opened = {"policy": "open"}
    diagnosis = on_a_network(auth={"token": STRONG}, enrolment=opened)
    assert diagnosis.standing is Standing.PROBLEM
    assert "activation" in diagnosis.advice
    asked_for = on_a_network(auth={"token": STRONG, "insecure": True}, enrolment=opened)
    assert asked_for.standing is Standing.WARNING
    assert "0.0.0.0:" in asked_for.found


def test_where_no_token_is_asked_for_none_is_given_away() -> None:
    assert on_a_network(auth={"insecure": True}).standing is Standing.OK


def test_by_default_on_a_network_each_has_to_be_approved(tmp_path: Path) -> None:
    diagnosis = on_a_network(data_dir=tmp_path)
    assert (diagnosis.standing, "approved" in diagnosis.found) == (Standing.OK, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "standing"),
    [
        ("", "problem"),
        ("[[device]]\nserial = 7", "problem"),
        ('[[device]]\ndevice_id = "02:ab:00:00:00:01"', "ok"),
    ],
)
def test_a_list_with_nobody_in_it_or_a_mistake_is_a_problem(
    text: str, standing: str, tmp_path: Path
) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(text)
    given = {"policy": "allow_list", "devices": path}
    diagnosis = on_a_network(auth={"token": STRONG}, enrolment=given)
    assert diagnosis.standing == standing
    assert bool(diagnosis.advice) == (standing == "problem")


def test_a_list_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    given = {"policy": "activation", "devices": tmp_path / "nowhere.toml"}
    assert on_a_network(auth={"token": STRONG}, enrolment=given).standing is Standing.PROBLEM


@pytest.mark.parametrize("policy", ["callback", "upstream"])
def test_a_server_that_decides_and_takes_no_connection_is_a_problem(policy: str) -> None:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        url = f"http://{LOOPBACK}:{server.getsockname()[1]}/devices"
        given = {"policy": policy, f"{policy}_url": url}
        away = on_a_network(auth={"token": STRONG}, enrolment=given)
        server.listen()
        there = on_a_network(auth={"token": STRONG}, enrolment=given)
    assert (away.standing, there.standing) == (Standing.PROBLEM, Standing.OK)
    assert url in away.found
    assert f"enrolment.{policy}_url" in away.advice


def test_a_policy_without_tokens_to_give_is_a_problem() -> None:
    given = {"policy": "activation"}
    assert judged(judges=False, enrolment=given).standing is Standing.PROBLEM
    assert judged(judges=False).found.startswith("off")


def test_behind_a_proxy_devices_have_to_be_told_where_that_is() -> None:
    proxy = {"header": "forwarded", "trusted": ["10.0.0.0/8"]}
    assert judged(proxy=proxy, auth={"token": STRONG}).standing is Standing.WARNING
    told = {"public_url": "wss://voice.example.com/xiaozhi/v1/"}
    assert judged(proxy=proxy, auth={"token": STRONG}, enrolment=told).standing is Standing.OK


def test_a_name_that_can_be_none_is_told_as_one_that_is_not_found() -> None:
    enrolling = {"policy": "callback", "callback_url": "http://voice..example/asked"}
    diagnosis = judged(enrolment=enrolling)
    assert diagnosis.standing is Standing.PROBLEM
    assert "cannot be reached" in diagnosis.found
