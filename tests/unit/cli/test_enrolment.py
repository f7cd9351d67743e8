from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from keepline.cli import enrolment
from keepline.cli.client import NotFoundError
from keepline.cli.commands import app

WAITER: dict[str, Any] = {
    "code": "012345",
    "device_id": "02:ab:00:00:00:01",
    "board": "bread",
    "serial": "",
    "address": "192.0.2.1",
    "client_guessable": False,
    "expires_in_s": 500.4,
    "former": None,
}
ENROLLED: dict[str, Any] = {
    "device_id": "02:ab:00:00:00:02",
    "revoked": False,
    "enrolled_at": 1_800_000_000.0,
    "vouched_by": "operator",
    "board": "bread",
    "address": "192.0.2.2",
}


class Gateway:
    """Stands for the admin interface: what it was asked, what it answers."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.posted: list[tuple[str, dict[str, str]]] = []

    def get(self, path: str) -> Any:
        return self.answers[path]

    def post(self, path: str, body: dict[str, str]) -> Any:
        self.posted.append((path, body))
        return self.answers.get(path)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    monkeypatch.setattr(enrolment, "connect", lambda *_: gateway)
    return gateway


def typed(*arguments: str, answer: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["enrol", *arguments], input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_list_has_who_waits_and_who_is_enrolled(gateway: Gateway) -> None:
    revoked = ENROLLED | {"revoked": True, "enrolled_at": None}
    gateway.answers["/api/enrolment"] = {"waiting": [WAITER], "devices": [ENROLLED, revoked]}
    status, output, _ = typed("list")
    assert status == 0
    for word in ("012345", "02:ab:00:00:00:01", "192.0.2.1", "500 s"):
        assert word in output
    for word in ("02:ab:00:00:00:02", "enrolled", "revoked", "2027-01-15 08:00", "operator"):
        assert word in output


def test_no_id_is_cut_however_narrow_the_screen(gateway: Gateway) -> None:
    device = "d" * 128
    gateway.answers["/api/enrolment"] = {
        "waiting": [WAITER | {"device_id": device}],
        "devices": [ENROLLED | {"device_id": device}],
    }
    assert typed("list")[1].count(device) == 2


def test_programs_get_the_list_as_it_is(gateway: Gateway) -> None:
    gateway.answers["/api/enrolment"] = {"waiting": [], "devices": [ENROLLED]}
    assert json.loads(typed("list", "--json")[1])["devices"] == [ENROLLED]


def test_an_empty_list_says_so(gateway: Gateway) -> None:
    gateway.answers["/api/enrolment"] = {"waiting": [], "devices": []}
    assert "nobody waits" in typed("list")[1]


def test_a_device_is_shown_before_it_is_approved(gateway: Gateway) -> None:
    gateway.answers["/api/enrolment/look"] = WAITER
    status, output, _ = typed("approve", "012 345", answer="y\n")
    assert status == 0
    shown = output.partition("Is it this one?")[0]
    assert "02:ab:00:00:00:01" in shown
    assert "bread" in shown
    assert "192.0.2.1" in shown
    assert gateway.posted == [
        ("/api/enrolment/look", {"code": "012345"}),
        ("/api/enrolment/approve", {"code": "012345", "device_id": "02:ab:00:00:00:01"}),
    ]


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_nobody_is_approved(gateway: Gateway, answer: str) -> None:
    gateway.answers["/api/enrolment/look"] = WAITER
    status, _, _ = typed("approve", "012345", answer=answer)
    assert status == 1
    assert [path for path, _ in gateway.posted] == ["/api/enrolment/look"]


def test_a_no_is_confirmed(gateway: Gateway) -> None:
    gateway.answers["/api/enrolment/look"] = WAITER
    _, screen, _ = typed("approve", "012345", answer="n\n")
    assert screen.endswith("not approved; it goes on waiting\n")


def test_yes_can_be_said_beforehand(gateway: Gateway) -> None:
    gateway.answers["/api/enrolment/look"] = WAITER
    assert typed("approve", "012345", "--yes")[0] == 0
    assert len(gateway.posted) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"client_guessable": True}, "not random"),
        ({"former": ENROLLED}, "enrolled as another client"),
        ({"former": ENROLLED | {"revoked": True}}, "it was revoked"),
    ],
)
def test_what_should_make_one_think_is_said(
    gateway: Gateway, change: dict[str, Any], says: str
) -> None:
    gateway.answers["/api/enrolment/look"] = WAITER | change
    assert says in typed("approve", "012345", answer="n\n")[1]


def test_what_a_device_says_of_itself_cannot_move_the_cursor(gateway: Gateway) -> None:
    gateway.answers["/api/enrolment/look"] = WAITER | {"board": "\x1b[2Jbread"}
    gateway.answers["/api/enrolment"] = {
        "waiting": [WAITER | {"board": "\x1b[2Jbread"}],
        "devices": [],
    }
    assert "\x1b[2J" not in typed("approve", "012345", answer="n\n")[1]
    assert "\x1b[2J" not in typed("list")[1]


def test_a_device_is_revoked_and_the_way_back_is_said(gateway: Gateway) -> None:
    status, output, _ = typed("revoke", "02:ab:00:00:00:02")
    assert status == 0
    assert "keepline enrol forget" in output
    assert gateway.posted == [("/api/enrolment/revoke", {"device_id": "02:ab:00:00:00:02"})]


def test_a_device_is_forgotten_or_it_is_said_that_it_was_not_known(gateway: Gateway) -> None:
    gateway.answers["/api/enrolment/forget"] = {"done": True}
    assert typed("forget", "d1")[0] == 0
    gateway.answers["/api/enrolment/forget"] = {"done": False}
    status, _, complaints = typed("forget", "d1")
    assert status == 2
    assert "neither enrolled nor revoked" in complaints


def test_a_gateway_that_refuses_is_an_advice(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise NotFoundError("no device waits with this code", "")

    monkeypatch.setattr(gateway, "post", refuses)
    status, _, complaints = typed("approve", "999999")
    assert status == 2
    assert "no device waits with this code" in complaints
    assert "keepline enrol list" in complaints
