"""Where settings come from, which source wins, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepline.cli.configuration import Given, load
from keepline.errors import SettingsError, StartError


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "keepline.toml"
    path.write_text("[server]\nport = 1\nbacklog = 2\nmax_connections = 3\nmax_admissions = 4\n")
    return path


def refused(**sources: object) -> SettingsError:
    with pytest.raises(SettingsError) as failure:
        load(**sources)  # type: ignore[arg-type]
    return failure.value


def test_without_any_source_every_setting_has_its_default() -> None:
    assert load().server.port == 8_000


def test_a_flag_wins_over_an_assignment_over_the_environment_over_the_file(toml: Path) -> None:
    server = load(
        file=toml,
        environment={
            "KEEPLINE_SERVER__BACKLOG": "20",
            "KEEPLINE_SERVER__MAX_CONNECTIONS": "30",
            "KEEPLINE_SERVER__MAX_ADMISSIONS": "40",
        },
        assignments=["server.max_connections=300", "server.max_admissions=400"],
        flags={"server.max_admissions": Given(4_000, "--max-admissions")},
    ).server
    assert server.port == 1
    assert server.backlog == 20
    assert server.max_connections == 300
    assert server.max_admissions == 4_000


def test_sections_that_are_dataclasses_take_values_too() -> None:
    settings = load(assignments=["wire.message_bytes=17", "heartbeat.preset=seed"])
    assert settings.wire.message_bytes == 17
    assert settings.heartbeat.preset == "seed"


def test_a_value_may_contain_an_equals_sign() -> None:
    assert load(assignments=["auth.token=a=b"]).auth.token == "a=b"


def test_a_setting_without_a_section_comes_from_the_environment() -> None:
    assert load(environment={"KEEPLINE_DATA_DIR": "/somewhere"}).data_dir == Path("/somewhere")


def test_none_switches_off_what_can_be_switched_off() -> None:
    settings = load(assignments=["server.kernel_timeout_s=none"])
    assert settings.server.kernel_timeout_s is None


def test_none_is_a_token_like_any_other() -> None:
    assert load(assignments=["auth.token=none"]).auth.token == "none"


def test_variables_that_an_orchestrator_sets_for_a_service_called_keepline_are_left_alone() -> None:
    environment = {"KEEPLINE_PORT": "tcp:10.0.0.1:80", "KEEPLINE_SERVICE_HOST": "10.0.0.1"}
    assert load(environment=environment) == load()


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("KEEPLINE_SERVER_PORT", "KEEPLINE_SERVER__PORT"),
        ("KEEPLINE_AUTH_TOKEN", "KEEPLINE_AUTH__TOKEN"),
        ("KEEPLINE_SESSION_IDLE_AFTER_S", "KEEPLINE_SESSION__IDLE_AFTER_S"),
    ],
)
def test_a_variable_that_lacks_an_underscore_brings_the_right_name(given: str, right: str) -> None:
    error = refused(environment={given: "1"})
    assert (error.problem, error.hint) == (f"{given} is no setting", f"did you mean {right}?")


def test_what_an_orchestrator_gives_a_service_called_keepline_server_is_left_alone() -> None:
    environment = {
        "KEEPLINE_SERVER_PORT": "tcp://10.0.0.1:8000",
        "KEEPLINE_SERVER_SERVICE_PORT": "1",
    }
    assert load(environment=environment).server.port == 8_000


def test_a_misspelt_variable_is_named_with_the_likely_setting() -> None:
    error = refused(environment={"KEEPLINE_SERVER__PROT": "1"})
    assert error.problem == "KEEPLINE_SERVER__PROT: there is no setting server.prot"
    assert error.hint == "did you mean server.port?"


@pytest.mark.parametrize(
    ("assignment", "hint"),
    [
        ("sever.port=1", "did you mean server.port?"),
        ("wire.mesage_bytes=1", "did you mean wire.message_bytes?"),
        ("heartbeat.intervl_s=1", "did you mean heartbeat.interval_s?"),
        ("zombie_s=1", "did you mean heartbeat.zombie_s?"),
        ("wire=1", "the section wire has: wire.head_bytes, "),
        ("xyzzy.quux=1", "there are: server, "),
    ],
)
def test_an_unknown_name_brings_the_nearest_known_ones(assignment: str, hint: str) -> None:
    assert refused(assignments=[assignment]).hint.startswith(hint)


@pytest.mark.parametrize(
    ("assignment", "allowed"),
    [
        ("server.port=99999", "a whole number from 0 to 65535; the default is 8000"),
        ("server.port=http", "a whole number from 0 to 65535; the default is 8000"),
        (
            "server.kernel_timeout_s=x",
            "a number of seconds above 0 to 86400 or none; the default is 30.0",
        ),
        (
            "wire.message_bytes=0",
            "a whole number of bytes above 0 to 1000000000; the default is 65536",
        ),
        (
            "wire.control_frames_per_s=0",
            "a whole number per second above 0 to 1000000000; the default is 20",
        ),
        (
            "session.idle_after_s=inf",
            "a number of seconds above 0 to 31536000; the default is 30.0",
        ),
        ("heartbeat.preset=fast", "one of adaptive, seed; the default is adaptive"),
        ("heartbeat.jitter=1", "a number from 0 to 0.5; the default is 0.05"),
        ("log.level=loud", "one of debug, info, warning, error; the default is info"),
    ],
)
def test_a_value_that_is_not_allowed_brings_the_allowed_ones(assignment: str, allowed: str) -> None:
    error = refused(assignments=[assignment])
    name, _, value = assignment.partition("=")
    assert error.problem == f"{name} cannot be {value!r} (--set)"
    assert error.hint == f"it takes {allowed}"


def test_a_setting_that_knows_better_what_is_wrong_says_it_itself() -> None:
    hint = refused(assignments=["proxy.trusted=10.0.0.1,garbage"]).hint
    assert hint.startswith("it takes addresses and networks like 10.0.0.0/8: 'garbage'")
    assert hint.endswith("the default is none")


def test_a_token_that_is_not_allowed_is_not_repeated() -> None:
    error = refused(flags={"auth.token": Given("my secret", "--token")})
    assert error.problem == "auth.token cannot be [hidden] (--token)"
    assert "secret" not in str(error)


def test_a_refused_value_cannot_draw_on_the_terminal() -> None:
    assert "\x1b" not in str(refused(assignments=["log.level=\x1b[31mred"]))


def test_settings_that_contradict_each_other_are_both_named() -> None:
    error = refused(assignments=["heartbeat.zombie_s=1", "server.port=7"])
    assert error.problem.startswith("heartbeat.zombie_s must exceed suspicious_s")
    assert error.hint == ("heartbeat.zombie_s comes from --set; what is not given has its default")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("tls.key=key.pem", "tls.certificate is needed, too"),
        ("proxy.header=proxy", "proxy.trusted must name"),
        ("webhook.url=https://voice.example", "webhook.secret must be set"),
    ],
)
def test_what_is_missing_beside_a_setting_is_named_once(given: str, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(assignments=[given])
    assert raised.value.problem.startswith(problem)
    assert given.partition("=")[0] in raised.value.hint


def test_a_profile_of_any_name_comes_from_every_source(tmp_path: Path) -> None:
    path = tmp_path / "keepline.toml"
    path.write_text('[profiles.mine]\nmatch = ["aa:*", "ab:*"]\npongs = "never"\n')
    profiles = load(
        file=path,
        environment={"KEEPLINE_PROFILES__MINE__CLOSE_TIMEOUT_S": "2"},
        assignments=["profiles.mine.keepalive_s=none", "profiles.xiaozhi.keepalive_s=50"],
    ).profiles
    mine = profiles["mine"]
    assert (mine.match, mine.pongs) == (("aa:*", "ab:*"), "never")
    assert (mine.close_timeout_s, mine.keepalive_s) == (2.0, None)
    assert profiles["xiaozhi"].keepalive_s == 50.0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("profiles.mine.keepalive", "did you mean profiles.mine.keepalive_s?"),
        ("profiles.mine.xyzzy", "the section profiles.mine has: profiles.mine.match, "),
        ("profiles.mine.name", "the section profiles.mine has: profiles.mine.match, "),
        ("profiles.mine", "the section profiles.mine has: profiles.mine.match, "),
    ],
)
def test_an_unknown_name_in_a_profile_brings_what_the_profile_has(name: str, hint: str) -> None:
    error = refused(assignments=["profiles.mine.match=a", f"{name}=1"])
    assert error.problem == f"--set: there is no setting {name}"
    assert error.hint.startswith(hint)


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("pongs", "one of learn, never; the default is learn"),
        ("keepalive_s", "a number of seconds from 0.2 to 31536000 or none; the default is 100.0"),
        ("reconnect_s", "a number of seconds above 0 to 3600 or none; the default is none"),
    ],
)
def test_a_wrong_value_in_a_profile_brings_the_allowed_ones(key: str, allowed: str) -> None:
    error = refused(environment={f"KEEPLINE_PROFILES__MINE__{key.upper()}": "x"})
    assert error.problem.startswith(f"profiles.mine.{key} cannot be 'x' (KEEPLINE_PROFILES__MINE_")
    assert error.hint == f"it takes {allowed}"


def test_a_keepalive_that_would_come_too_late_is_refused_with_the_sum() -> None:
    error = refused(
        assignments=["profiles.xiaozhi.keepalive_s=111", "profiles.browser.pongs=learn"]
    )
    assert error.problem == (
        "profiles.xiaozhi.keepalive_s must be at most 110, not 111: a device gives its channel up"
        " after 120 s without data, and 10 s are left for the way"
    )
    assert error.hint.startswith("profiles.xiaozhi.keepalive_s comes from --set; ")


def test_a_profile_for_nobody_is_named_with_where_it_comes_from() -> None:
    error = refused(assignments=["profiles.xiozhi.pongs=never"])
    assert error.problem.startswith("profiles.xiozhi.match must be given: no device would ever")
    assert error.hint.startswith("profiles.xiozhi.pongs comes from --set; ")


def test_equal_ports_are_refused_by_name() -> None:
    error = refused(assignments=["admin.port=8000"])
    assert error.problem == "admin.port must differ from server.port"


def test_several_wrong_settings_are_reported_together() -> None:
    error = refused(assignments=["server.port=x", "log.level=loud"])
    assert error.problem == "2 settings are wrong"
    assert [line.split()[0] for line in error.hint.splitlines()] == ["server.port", "log.level"]


@pytest.mark.parametrize("assignment", ["server.port", "=3", " = 3"])
def test_an_assignment_without_name_or_value_says_how_one_is_written(assignment: str) -> None:
    error = refused(assignments=[assignment])
    assert "--set section.key=value" in error.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot read the settings file .*nowhere\.toml"):
        load(file=tmp_path / "nowhere.toml")


@pytest.mark.parametrize("content", [b"[server\n", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(StartError, match=r"broken\.toml is not TOML"):
        load(file=path)


def test_an_unknown_name_in_a_file_names_the_file(toml: Path) -> None:
    toml.write_text("[server]\nhots = 'x'\n")
    error = refused(file=toml)
    assert error.problem == f"{toml}: there is no setting server.hots"
