from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from keepline.app.doctor.diagnosis import Diagnosis, Standing
from keepline.app.doctor.door import devices_token, operators_token, port, tls
from keepline.gateway.certificate_dates import validity
from keepline.settings import Settings
from keepline.settings.given import settings_from
from tests.gateway.tls_peers import Authority

STRONG = "mZ4x0Qw7bT2cV9sK"
DAY_S = 86_400.0
LOOPBACK = "127.0.0.1"


def tokens(settings: Settings) -> list[Diagnosis]:
    return [devices_token(settings), operators_token(settings)]


def on_a_network(**sections: Any) -> Settings:
    return settings_from({"server": {"host": "0.0.0.0"}, **sections})


def test_a_port_that_is_in_use_may_be_the_gateway_s_own() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        diagnosis = port("devices' port", LOOPBACK, taken.getsockname()[1], settings_from())
    assert diagnosis.standing is Standing.WARNING
    assert "keepline monitor" in diagnosis.advice
    assert port("devices' port", LOOPBACK, 0, settings_from()).standing is Standing.OK


def test_an_address_that_is_not_this_machine_s_is_a_problem() -> None:
    diagnosis = port("devices' port", "203.0.113.9", 0, settings_from())
    assert (diagnosis.standing, bool(diagnosis.advice)) == (Standing.PROBLEM, True)


class TestCertificates:
    @pytest.fixture
    def pair(self, tmp_path: Path) -> dict[str, str]:
        pair = Authority(tmp_path).pair("gateway")
        Path(pair["key"]).chmod(0o600)
        return pair

    def judged(self, pair: dict[str, str], wall: float | None = None) -> Diagnosis:
        dates = validity(Path(pair["certificate"]).read_text())
        assert dates is not None
        return tls(settings_from(tls=pair), dates[0] + 1 if wall is None else wall + dates[1])

    def test_one_that_is_good_for_long_is_fine(self, pair: dict[str, str]) -> None:
        assert "is good for" in self.judged(pair, wall=-20 * DAY_S).found
        assert self.judged(pair, wall=-20 * DAY_S).standing is Standing.OK

    @pytest.mark.parametrize(
        ("after_end_s", "standing"),
        [(-3 * DAY_S, "warning"), (1.0, "problem"), (-200 * 365 * DAY_S, "problem")],
    )
    def test_one_that_ends_soon_has_ended_or_has_not_begun_is_told(
        self, pair: dict[str, str], after_end_s: float, standing: str
    ) -> None:
        assert self.judged(pair, wall=after_end_s).standing == standing

    def test_a_key_that_everybody_can_read_is_told(self, pair: dict[str, str]) -> None:
        Path(pair["key"]).chmod(0o644)
        assert self.judged(pair, wall=-20 * DAY_S).advice == f"chmod o= {pair['key']}"

    def test_a_pair_that_cannot_be_used_is_a_problem(self, pair: dict[str, str]) -> None:
        Path(pair["key"]).write_text("no key")
        assert self.judged(pair).standing is Standing.PROBLEM


def test_without_tls_it_depends_on_who_can_listen_on_the_way() -> None:
    assert tls(settings_from(), 0.0).standing is Standing.OK
    assert tls(on_a_network(), 0.0).standing is Standing.WARNING
    behind = on_a_network(proxy={"header": "proxy", "trusted": ["10.0.0.0/8"]})
    assert tls(behind, 0.0).standing is Standing.OK


def test_a_token_that_can_be_guessed_is_worse_where_others_can_connect() -> None:
    def standings(settings: Settings) -> list[str]:
        return [each.standing for each in tokens(settings)]

    assert standings(settings_from(auth={"token": STRONG})) == ["ok", "ok"]
    assert standings(settings_from(auth={"token": "letmein"})) == ["warning", "ok"]
    assert standings(on_a_network(auth={"token": "letmein"})) == ["problem", "ok"]
    assert standings(on_a_network(auth={"token": "a" * 40})) == ["problem", "ok"]
    assert standings(settings_from(admin={"token": "1234"})) == ["ok", "warning"]
    keys = ("1:" + STRONG, "2:short")
    assert standings(on_a_network(auth={"mode": "signed", "keys": keys})) == ["problem", "ok"]


def test_an_open_door_is_told_unless_only_this_machine_finds_it() -> None:
    devices, operators = tokens(on_a_network(admin={"host": "0.0.0.0"}))
    assert (devices.standing, operators.standing) == ("problem", "problem")
    assert tokens(on_a_network(auth={"insecure": True}))[0].standing is Standing.WARNING
    assert tokens(settings_from())[0].standing is Standing.OK


def test_a_key_of_the_gateway_s_own_is_as_good_as_any_and_is_not_made(tmp_path: Path) -> None:
    diagnosis = tokens(on_a_network(data_dir=tmp_path))[0]
    assert (diagnosis.standing, list(tmp_path.iterdir())) == (Standing.OK, [])


def test_no_token_is_ever_shown() -> None:
    weak = on_a_network(auth={"token": "letmein"}, admin={"token": "1234"})
    told = str(tokens(weak))
    assert ("letmein" in told, "1234" in told) == (False, False)
