from __future__ import annotations

from pathlib import Path

import pytest

from keepline.app.workers.part import settings_at, shared_directory
from keepline.app.workers.post import Post
from keepline.errors import SettingsError
from keepline.settings import Settings
from keepline.settings.given import settings_from


def post(folder: Path, slot: int = 2) -> Post:
    return Post(slot=slot, many=2, slots=4, directory=folder, devices=(), admin=None)


def draw(count: int) -> bytes:
    return b"k" * count


def test_the_rate_of_a_drain_is_shared_out(tmp_path: Path) -> None:
    settings = settings_from({"drain": {"rate_per_s": 3_000}})
    assert settings_at(post(tmp_path), settings, draw).drain.rate_per_s == 1_500


def test_each_worker_has_a_directory_and_a_name_of_its_own(tmp_path: Path) -> None:
    settings = settings_from({"data_dir": str(tmp_path), "cluster": {"node": "kitchen"}})
    found = settings_at(post(tmp_path), settings, draw)
    assert found.data_dir == tmp_path / "workers" / "2"
    assert found.data_dir.is_dir()
    assert found.cluster.node == "kitchen-2"
    assert shared_directory(found) == tmp_path
    assert shared_directory(settings_at(post(tmp_path), Settings(), draw)) is None


def test_all_workers_sign_tokens_with_one_key(tmp_path: Path) -> None:
    settings = settings_from({"data_dir": str(tmp_path), "server": {"host": "0.0.0.0"}})
    keys = {settings_at(post(tmp_path, slot), settings, draw).auth.key_file for slot in (1, 2)}
    assert keys == {tmp_path / "token.keys"}


def test_who_judges_by_itself_needs_no_key(tmp_path: Path) -> None:
    settings = settings_from({"data_dir": str(tmp_path), "server": {"host": "0.0.0.0"}})
    assert settings_at(post(tmp_path), settings, None).auth.key_file is None


def test_workers_enrol_nobody_by_themselves(tmp_path: Path) -> None:
    assert settings_at(post(tmp_path), Settings(), draw).enrolment.policy == "off"
    passed_on = settings_from({"enrolment": {"upstream_url": "http://127.0.0.1/ota/"}})
    assert settings_at(post(tmp_path), passed_on, draw).enrolment.policy == "upstream"


def test_a_policy_that_needs_one_worker_is_refused_with_several() -> None:
    with pytest.raises(SettingsError, match=r"cannot be activation while server\.workers is 2"):
        settings_from({"server": {"workers": 2}, "enrolment": {"policy": "activation"}})
