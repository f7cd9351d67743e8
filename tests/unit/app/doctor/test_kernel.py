from __future__ import annotations

from pathlib import Path

import pytest

from keepline.app.doctor.diagnosis import Standing
from keepline.app.doctor.kernel import keepalive, listen_queue, own_ports, tracked
from keepline.settings.given import settings_from
from tests.unit.app.doctor.machine import machine

USUAL = settings_from()


def test_of_a_machine_that_tells_nothing_nothing_is_claimed(tmp_path: Path) -> None:
    for check in (listen_queue, keepalive, tracked, own_ports):
        diagnosis = check(USUAL, tmp_path)
        assert diagnosis.standing is Standing.OK
        assert diagnosis.found.startswith("this machine does not tell")


@pytest.mark.parametrize("known", ["max", "tcp_timeout_established"])
def test_of_half_a_firewall_s_numbers_only_what_hurts_is_told(tmp_path: Path, known: str) -> None:
    name = f"netfilter__nf_conntrack_{known}"
    assert "does not tell" in tracked(USUAL, machine(tmp_path, **{name: "262144"})).found
    assert tracked(USUAL, machine(tmp_path, **{name: "20"})).standing is Standing.WARNING


def test_a_listen_queue_that_the_kernel_cuts_is_told_with_the_command(tmp_path: Path) -> None:
    diagnosis = listen_queue(USUAL, machine(tmp_path, core__somaxconn="128\n"))
    assert diagnosis.standing is Standing.WARNING
    assert "net.core.somaxconn=4096" in diagnosis.advice
    assert listen_queue(USUAL, machine(tmp_path, core__somaxconn="4096")).advice == ""


def test_a_kernel_that_asks_devices_before_we_do_is_told(tmp_path: Path) -> None:
    soon = machine(tmp_path, ipv4__tcp_keepalive_time="10\n")
    assert keepalive(USUAL, soon).standing is Standing.WARNING
    assert keepalive(USUAL, machine(tmp_path, ipv4__tcp_keepalive_time="7200")).advice == ""


@pytest.mark.parametrize(
    ("most", "kept_s", "told"),
    [
        ("8192", "432000", "nf_conntrack_max"),
        ("262144", "20", "tcp_timeout_established"),
        ("262144", "432000", ""),
    ],
)
def test_a_firewall_is_told_whose_table_is_small_or_forgetful(
    tmp_path: Path, most: str, kept_s: str, told: str
) -> None:
    root = machine(
        tmp_path,
        netfilter__nf_conntrack_max=most,
        netfilter__nf_conntrack_tcp_timeout_established=kept_s,
    )
    diagnosis = tracked(USUAL, root)
    assert (diagnosis.standing is Standing.WARNING) == bool(told)
    assert told in diagnosis.advice


def test_the_ports_to_one_voice_server_may_be_fewer_than_the_devices(tmp_path: Path) -> None:
    root = machine(tmp_path, ipv4__ip_local_port_range="32768\t40767\n")
    one = settings_from(upstream={"urls": ["ws://10.0.0.1/x"]})
    assert "max_connections of 8000" in own_ports(one, root).advice
    two = settings_from(upstream={"urls": ["ws://10.0.0.1/x", "ws://10.0.0.2/x"]})
    assert own_ports(two, root).standing is Standing.OK
