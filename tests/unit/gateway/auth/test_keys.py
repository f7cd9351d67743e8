from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest

from keepline.clock import ManualClock
from keepline.errors import StartError
from keepline.gateway.auth.keys import (
    KEY_BYTES,
    MOST_KEYS,
    FixedKeys,
    Key,
    KeyFile,
    parse_keys,
    read_key_file,
)
from keepline.log import Log

SECRET = "0123456789abcdef"


def key_file(path: Path, *keys: tuple[str, str]) -> Path:
    tables = [f'[[key]]\nid = "{name}"\nsecret = "{secret}"\n' for name, secret in keys]
    path.write_text("\n".join(tables), "utf-8")
    return path


def ids(keys: tuple[Key, ...]) -> list[str]:
    return [key.id for key in keys]


def same(key: Key) -> Key:
    return key


def test_keys_are_id_and_secret_in_their_order() -> None:
    first, second = parse_keys([f"new:{SECRET}", f"old:{SECRET}:with:colons"])
    assert (first.id, first.material, first.algorithm) == ("new", SECRET.encode(), "HS256")
    assert second.material == f"{SECRET}:with:colons".encode()


@pytest.mark.parametrize(
    "text", [SECRET, f":{SECRET}", "a:", f"a b:{SECRET}", f"{'x' * 33}:{SECRET}", f"é:{SECRET}"]
)
def test_a_key_that_is_none_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(StartError) as failed:
        parse_keys([f"ok:{SECRET}", text])
    assert "key 2" in failed.value.problem
    assert SECRET not in str(failed.value)


def test_a_secret_has_sixteen_bytes_or_more() -> None:
    with pytest.raises(StartError, match="too short: 15 bytes"):
        parse_keys(["a:" + "x" * (KEY_BYTES - 1)])
    assert parse_keys(["a:" + "x" * KEY_BYTES])
    assert parse_keys(["a:" + "é" * (KEY_BYTES // 2)])


def test_there_are_sixteen_keys_at_most_and_one_at_least() -> None:
    texts = [f"k{number}:{SECRET}" for number in range(MOST_KEYS + 1)]
    assert len(parse_keys(texts[:-1])) == MOST_KEYS
    with pytest.raises(StartError, match="17 keys"):
        parse_keys(texts)
    with pytest.raises(StartError, match="no key"):
        parse_keys([])


def test_two_keys_of_one_id_are_refused() -> None:
    with pytest.raises(StartError, match="two keys of one id"):
        parse_keys([f"a:{SECRET}", f"a:{SECRET}2"])


def test_a_key_does_not_show_its_material() -> None:
    assert SECRET not in repr(Key("a", SECRET.encode()))
    assert SECRET not in repr(FixedKeys([Key("a", SECRET.encode())]).at(0.0))


def test_a_file_has_secrets_and_pems(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(
        f'[[key]]\nid = "a"\nsecret = "{SECRET}"\n'
        '[[key]]\nid = "b"\nalgorithm = "ES256"\npem = """\n-----BEGIN PUBLIC KEY-----\n"""\n'
    )
    first, second = read_key_file(path)
    assert (first.algorithm, second.algorithm) == ("HS256", "ES256")
    assert second.material == b"-----BEGIN PUBLIC KEY-----\n"


@pytest.mark.parametrize(
    "text",
    [
        *("", "nothing", "key = 3", "[key]\nid = 'a'", "[[key]]", "[[key]]\nid = 'a'"),
        "key = [3]",
        f"other = 1\n[[key]]\nid = 'a'\nsecret = '{SECRET}'",
        f"[[key]]\nsecret = '{SECRET}'",
        f"[[key]]\nid = 3\nsecret = '{SECRET}'",
        f"[[key]]\nid = 'a'\nsecret = '{SECRET}'\nmore = 'x'",
        f"[[key]]\nid = 'a'\nsecret = '{SECRET}'\npem = 'x'",
        f"[[key]]\nid = 'a'\nsecret = '{SECRET}'\nalgorithm = 'RS256'",
        f"[[key]]\nid = 'a'\nsecret = '{SECRET}'\nalgorithm = 'none'",
        "[[key]]\nid = 'a'\npem = 'x'",
        "[[key]]\nid = 'a'\npem = 'x'\nalgorithm = 'HS256'",
        f"[[key]]\nid = 'a'\nsecret = '{SECRET}'\nalgorithm = ",
        "[[key]]\nid = 'a'\nsecret = 'short'",
    ],
)
def test_a_file_that_is_wrong_is_refused_without_its_secrets(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(StartError) as failed:
        read_key_file(path)
    assert str(path) in failed.value.problem
    assert failed.value.hint
    assert SECRET not in str(failed.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot read the key file"):
        read_key_file(tmp_path / "missing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(StartError, match="not TOML"):
        read_key_file(tmp_path / "binary")


def test_a_file_is_read_again_when_it_changes_and_a_second_has_passed(tmp_path: Path) -> None:
    path = key_file(tmp_path / "keys", ("old", SECRET))
    keys = KeyFile(path, same)
    assert ids(keys.at(100.0)) == ["old"]
    key_file(path, ("new", SECRET), ("old", SECRET))
    assert ids(keys.at(100.9)) == ["old"]  # looked at once a second
    assert ids(keys.at(101.0)) == ["new", "old"]


def test_a_file_that_is_replaced_by_another_of_the_same_size_is_noticed(tmp_path: Path) -> None:
    path = key_file(tmp_path / "keys", ("a", SECRET))
    keys = KeyFile(path, same)
    status = path.stat()
    other = key_file(tmp_path / "other", ("b", SECRET))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)
    assert ids(keys.at(100.0)) == ["b"]


def test_a_wall_clock_that_steps_back_does_not_stop_the_looking(tmp_path: Path) -> None:
    path = key_file(tmp_path / "keys", ("old", SECRET))
    keys = KeyFile(path, same)
    keys.at(1_000_000.0)
    key_file(path, ("new", SECRET))
    assert ids(keys.at(500.0)) == ["new"]


def test_a_file_that_became_wrong_or_went_changes_nothing_and_is_told_once(tmp_path: Path) -> None:
    lines = StringIO()
    path = key_file(tmp_path / "keys", ("old", SECRET))
    keys = KeyFile(path, same, Log(lines, ManualClock(), style="json"))
    path.write_text("[[key]]\nid = 'half")
    for second in range(5):
        assert ids(keys.at(100.0 + second)) == ["old"]
    assert lines.getvalue().count("keys_not_read_again") == 1
    path.unlink()
    assert ids(keys.at(110.0)) == ["old"]
    assert lines.getvalue().count("keys_not_read_again") == 2
    key_file(path, ("new", SECRET))
    assert ids(keys.at(120.0)) == ["new"]
    assert lines.getvalue().count("keys_read_again") == 1
    assert SECRET not in lines.getvalue()


def test_a_key_that_cannot_be_prepared_is_told_at_the_start(tmp_path: Path) -> None:
    def refuse(key: Key) -> Key:
        raise StartError("no good", "another")

    with pytest.raises(StartError, match="no good"):
        KeyFile(key_file(tmp_path / "keys", ("a", SECRET)), refuse)
