"""What is in deploy/: read by whoever can read it here, and equal to what the code comes to."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml  # type: ignore[import-untyped]

from keepline.app.grace import grace_s
from keepline.app.service import ADMIN_NAME
from keepline.cli.allocator import JEMALLOC
from keepline.cli.commands import app
from keepline.cli.configuration import load
from keepline.settings import Settings
from tests.house.sources import ROOT
from tests.unit.cli.command_line import typed

DEPLOY = ROOT / "deploy"
SYSTEMD = DEPLOY / "systemd"
CONTAINERFILE = DEPLOY / "container" / "Containerfile"
PROGRAM = "/opt/keepline/bin/keepline"
SPARE_S = 10
RESERVED = 320  # descriptors beside the devices': app/process.py and gateway/listener.py


class Unit(configparser.RawConfigParser):
    """A unit file: keys keep their capitals, and may come several times."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False)
        self.read_string((SYSTEMD / name).read_text("utf-8"))

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def compose() -> Any:
    document = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text("utf-8"))
    return document["services"]["keepline"]


def manifests() -> dict[str, Any]:
    text = (DEPLOY / "kubernetes" / "keepline.yaml").read_text("utf-8")
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def pod() -> Any:
    return manifests()["StatefulSet"]["spec"]["template"]["spec"]


def check_command(words: list[str]) -> None:
    """Check that our command line has this command, with these options."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    command, *rest = words
    known = {option for each in commands[command].params for option in each.opts}
    assert {word for word in rest if word.startswith("--")} <= known, words


def allows(allowed_s: float, needed_s: float) -> bool:
    """Whether a time is enough, and not more than somebody would notice."""
    return needed_s <= allowed_s <= needed_s + SPARE_S


# -- how long a stop may take ----------------------------------------------------------------------


def test_every_supervisor_allows_what_the_default_settings_need() -> None:
    needed_s = grace_s(Settings())
    service = Unit("keepline.service")["Service"]
    assert allows(float(service["TimeoutStopSec"].removesuffix("s")), needed_s)
    assert allows(float(compose()["stop_grace_period"].removesuffix("s")), needed_s)
    [container] = pod()["containers"]
    sleep, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert sleep == "sleep"
    assert allows(pod()["terminationGracePeriodSeconds"], needed_s + int(seconds))


def test_other_settings_need_another_time_and_a_command_says_it() -> None:
    status, said, _ = typed("grace")
    assert (status, int(said)) == (0, ceil(grace_s(Settings())))
    status, longer, _ = typed("grace", "--set", "drain.limit_s=90", "--set", "drain.unready_s=7")
    assert (status, int(longer) - int(said)) == (0, 60 + 7)


def test_a_reload_has_time_for_a_start_and_a_drain() -> None:
    service = Unit("keepline.service")["Service"]
    wait_s = float(service["ExecReload"].partition("--wait ")[2].split()[0])
    settings = Settings()
    hello_s = max(each.hello_timeout_s for each in settings.profiles.values())
    needed_s = wait_s + hello_s + settings.drain.longest_s
    assert float(service["TimeoutStartSec"].removesuffix("s")) >= needed_s


def test_every_place_allows_a_descriptor_for_each_device() -> None:
    server = Settings().server
    needed = server.max_connections + server.max_admissions + RESERVED
    assert int(Unit("keepline.service")["Service"]["LimitNOFILE"]) >= needed
    assert compose()["ulimits"]["nofile"] >= needed


# -- systemd ---------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    program = shutil.which("true")
    for unit in ("keepline.service", "keepline.socket"):
        text = (SYSTEMD / unit).read_text("utf-8")
        (tmp_path / unit).write_text(text.replace(PROGRAM, str(program)))
    verified = subprocess.run(
        ["systemd-analyze", "verify", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    complaints = [line for line in verified.stderr.splitlines() if "keepline" in line]
    assert (verified.returncode, complaints) == (0, [])


def test_the_commands_of_the_unit_are_ours_and_about_one_gateway() -> None:
    service = Unit("keepline.service")["Service"]
    begins, reloads = (shlex.split(service[key]) for key in ("ExecStart", "ExecReload"))
    assert begins[0] == reloads[0] == PROGRAM
    check_command(begins[1:])
    check_command(reloads[1:])
    assert begins[-2:] == reloads[-2:] == ["--data", f"/var/lib/{service['StateDirectory']}"]


def test_the_unit_is_told_of_a_start_and_of_an_upgrade() -> None:
    service = Unit("keepline.service")["Service"]
    assert service["Type"] == "notify"
    # Only the main process is heard then: the one that hands over says who is next.
    assert service.get("NotifyAccess", "main") == "main"
    assert service["KillMode"] == "control-group"


def test_the_socket_unit_and_the_settings_beside_it_speak_of_one_port() -> None:
    socket = Unit("keepline.socket")["Socket"]
    settings = load(file=SYSTEMD / "keepline.toml")
    assert int(socket["ListenStream"]) == settings.server.port
    assert settings.server.host == "::"  # what a port alone means to systemd
    assert socket["FileDescriptorName"] != ADMIN_NAME
    assert int(socket["Backlog"]) == settings.server.backlog


# -- containers ------------------------------------------------------------------------------------


def test_what_the_image_is_made_of_is_here() -> None:
    text = CONTAINERFILE.read_text("utf-8")
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    readme = re.search(r'^readme = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert readme is not None
    assert readme[1] in text


def test_the_image_runs_as_nobody_with_settings_that_exist() -> None:
    text = CONTAINERFILE.read_text("utf-8")
    [user] = re.findall(r"^USER (\d+):\d+$", text, re.MULTILINE)
    assert int(user) > 0
    assert f"-o {user} -g {user}" in text
    given = dict(re.findall(r"(KEEPLINE_\w+)=(\S+)", text))
    settings = load(environment=given)
    assert settings.data_dir == Path("/data")
    assert f"EXPOSE {settings.server.port}" in text
    assert f"127.0.0.1:{settings.admin.port}/healthz" in text
    [command] = re.findall(r'^CMD \["(\w+)"\]$', text, re.MULTILINE)
    check_command([command])


def test_the_image_has_the_allocator_that_a_gateway_looks_for() -> None:
    text = CONTAINERFILE.read_text("utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert JEMALLOC == "libjemalloc.so.2"
    assert "apt-get install -y --no-install-recommends libjemalloc2" in last  # Debian's name of it
    assert last.index("apt-get") < last.index("USER ")


def test_the_health_check_of_the_image_is_a_program_that_python_takes() -> None:
    text = CONTAINERFILE.read_text("utf-8")
    [words] = re.findall(r"HEALTHCHECK .*\\\n +CMD (\[.*\])$", text, re.MULTILINE)
    python, option, program = yaml.safe_load(words)
    assert (python, option) == ("python", "-c")
    compile(program, "healthcheck", "exec")
    nobody = program.replace("8001", "1")
    failed = subprocess.run(
        [sys.executable, "-c", nobody], capture_output=True, check=False, timeout=30
    )
    assert failed.returncode == 1


def test_compose_builds_this_image_and_gives_it_what_it_needs() -> None:
    service = compose()
    place = (DEPLOY / "container" / service["build"]["context"]).resolve()
    assert place == ROOT.resolve()
    assert (place / service["build"]["dockerfile"]).samefile(CONTAINERFILE)
    assert f"USER {service['user']}" in CONTAINERFILE.read_text("utf-8")
    assert service["read_only"] is True
    assert [each.partition(":")[2] for each in service["volumes"]] == ["/data"]
    settings = load(environment=dict.fromkeys(service["environment"], "a-token"))
    assert settings.auth.token == "a-token"


# -- Kubernetes ------------------------------------------------------------------------------------


def test_the_manifests_hang_together() -> None:
    found = manifests()
    assert sorted(found) == ["ConfigMap", "PodDisruptionBudget", "Service", "StatefulSet"]
    labels = found["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == labels
    for kind in ("PodDisruptionBudget", "StatefulSet"):
        assert found[kind]["spec"]["selector"]["matchLabels"] == labels
    assert found["StatefulSet"]["spec"]["serviceName"] == found["Service"]["metadata"]["name"]
    assert found["StatefulSet"]["spec"]["replicas"] == 1  # the state is one gateway's
    [container] = pod()["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert found["Service"]["spec"]["ports"][0]["targetPort"] in ports
    volumes = {each["name"] for each in pod()["volumes"]}
    volumes |= {
        each["metadata"]["name"] for each in found["StatefulSet"]["spec"]["volumeClaimTemplates"]
    }
    assert {each["name"] for each in container["volumeMounts"]} == volumes


def test_the_settings_of_the_manifest_can_be_started_with(tmp_path: Path) -> None:
    [(name, text)] = manifests()["ConfigMap"]["data"].items()
    (tmp_path / name).write_text(text)
    [container] = pod()["containers"]
    given = {each["name"]: "a-token" for each in container["env"]}
    # What Kubernetes adds by itself for a service of our name.
    given |= {"KEEPLINE_SERVICE_HOST": "10.0.0.1", "KEEPLINE_PORT": "tcp://10.0.0.1:8000"}
    settings = load(file=tmp_path / name, environment=given)
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {"devices": settings.server.port, "operators": settings.admin.port}
    assert (settings.auth.token, settings.admin.token) == ("a-token", "a-token")
    assert settings.admin.host == "0.0.0.0"  # kubelet asks from outside
    assert str(settings.data_dir) in {each["mountPath"] for each in container["volumeMounts"]}
    check_command(container["args"])
    assert container["args"][-1].endswith(name)


def test_probes_ask_what_needs_no_token() -> None:
    [container] = pod()["containers"]
    asked = {
        probe: container[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert asked == {
        "startupProbe": "/healthz",
        "readinessProbe": "/readyz",
        "livenessProbe": "/healthz",
    }


def test_no_container_runs_as_root_or_may_become_it() -> None:
    [container] = pod()["containers"]
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert f"USER {pod()['securityContext']['runAsUser']}:" in CONTAINERFILE.read_text("utf-8")
