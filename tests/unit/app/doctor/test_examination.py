from __future__ import annotations

from pathlib import Path

from keepline.app.doctor.examination import examine
from keepline.clock import ManualClock
from keepline.settings.given import settings_from

PORTS = {"server": {"port": 0}, "admin": {"port": 0}}


def test_each_thing_is_told_once_and_whatever_is_wrong_says_what_to_do(tmp_path: Path) -> None:
    found = examine(settings_from(PORTS), ManualClock(), None, tmp_path)
    checks = [each.check for each in found]
    assert len(set(checks)) == len(checks) > 10
    assert all(bool(each.advice) == (each.standing != "ok") for each in found)


def test_ports_towards_voice_servers_matter_where_there_are_any(tmp_path: Path) -> None:
    settings = settings_from(PORTS, upstream={"urls": ["ws://10.0.0.1/x"]})
    assert examine(settings, ManualClock(), None, tmp_path)[-1].check == "own ports"
