from __future__ import annotations

import asyncio
from io import StringIO
from pathlib import Path

import pytest

from keepline.clock import ManualClock
from keepline.errors import StartError
from keepline.gateway.enrolment.allow_list import LOOK_EACH_S, AllowList, Known, read_allow_list
from keepline.gateway.enrolment.applicant import digest
from keepline.log import Log

KEY = "00" * 31 + "ff"


def read(tmp_path: Path, text: str) -> dict[str, Known]:
    path = tmp_path / "devices.toml"
    path.write_text(text)
    return dict(read_allow_list(path))


def entry(**fields: str) -> str:
    return "[[device]]\n" + "".join(f'{name} = "{value}"\n' for name, value in fields.items())


def listed(path: Path | None) -> tuple[AllowList, StringIO]:
    lines = StringIO()
    return AllowList(path, Log(lines, ManualClock(), style="json"), None), lines


async def test_without_a_file_nobody_is_known() -> None:
    known, _ = listed(None)
    await known.renew(0.0)
    assert known.find("d1") is None


async def test_a_file_that_changed_is_read_again_but_not_looked_at_all_the_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(entry(device_id="d1"))
    known, lines = listed(path)
    await known.renew(0.0)
    path.write_text(entry(device_id="another"))
    await known.renew(LOOK_EACH_S - 0.1)
    assert known.find("D1") == Known("d1")
    await known.renew(LOOK_EACH_S)
    assert known.find("d1") is None
    assert known.find("another") == Known("another")
    assert "devices_read_again" in lines.getvalue()


async def test_a_mistake_in_a_running_gateway_s_file_is_logged_once_and_changes_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(entry(device_id="d1"))
    known, lines = listed(path)
    path.write_text("damaged")
    for second in range(3):
        await known.renew(second * LOOK_EACH_S)
    path.unlink()
    await known.renew(3 * LOOK_EACH_S)
    assert known.find("d1") == Known("d1")
    assert lines.getvalue().count("devices_not_read_again") == 2


async def test_who_waits_for_the_file_and_leaves_does_not_keep_it_from_being_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(entry(device_id="d1"))
    known, _ = listed(path)
    path.write_text(entry(device_id="another"))
    leaving = asyncio.create_task(known.renew(0.0))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await known.renew(LOOK_EACH_S)
    assert known.find("another") is not None


def test_a_device_is_known_by_its_id_and_if_given_by_its_client_id_or_key(tmp_path: Path) -> None:
    known = read(
        tmp_path,
        entry(device_id="02:AB:00:00:00:01")
        + entry(device_id="02:ab:00:00:00:02", client_id="a-client")
        + entry(device_id="02:ab:00:00:00:03", serial="S1", key=KEY),
    )
    assert known == {
        "02:ab:00:00:00:01": Known("02:ab:00:00:00:01"),
        "02:ab:00:00:00:02": Known("02:ab:00:00:00:02", digest("a-client")),
        "02:ab:00:00:00:03": Known("02:ab:00:00:00:03", "", "S1", bytes.fromhex(KEY)),
    }


def test_a_key_is_that_of_its_device_s_serial_number_only(tmp_path: Path) -> None:
    known = read(tmp_path, entry(device_id="d1", serial="S1", key=KEY) + entry(device_id="d2"))
    assert known["d1"].key_of("S1") == bytes.fromhex(KEY)
    assert known["d1"].key_of("S2") == b""
    assert known["d2"].key_of("") == b""


def test_a_key_is_not_shown(tmp_path: Path) -> None:
    known = read(tmp_path, entry(device_id="d1", client_id="c", serial="S1", key=KEY))
    assert repr(known["d1"]) == "Known(device_id='d1')"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("device", "not TOML"),
        ("other = 1", "something else"),
        ("device = 1", "something else"),
        ("device = [1]", "device 1"),
        (entry(client_id="c"), "device_id is missing"),
        (entry(device_id=""), "every field is a text"),
        ("[[device]]\ndevice_id = 7", "every field is a text"),
        (entry(device_id="d1", colour="blue"), "client_id, device_id, key, serial"),
        (entry(device_id="d1", serial="S1"), "come together"),
        (entry(device_id="d1", key=KEY), "come together"),
        (entry(device_id="d1", serial="S1", key=KEY[2:]), "32 bytes"),
        (entry(device_id="d1", serial="S1", key=KEY + "00"), "32 bytes"),
        (entry(device_id="d1", serial="S1", key="zz" * 32), "32 bytes"),
        (entry(device_id="d1") + entry(device_id="D1"), "twice"),
    ],
)
def test_a_mistake_in_the_file_is_said_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(StartError, match=says):
        read(tmp_path, text)


def test_a_mistake_does_not_say_the_key(tmp_path: Path) -> None:
    with pytest.raises(StartError) as wrong:
        read(tmp_path, entry(device_id="d1", serial="S1", key="geheim"))
    assert "geheim" not in str(wrong.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"nowhere\.toml"):
        read_allow_list(tmp_path / "nowhere.toml")
