"""What the kernel does with many sockets, beside what the settings take for granted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.app.doctor.diagnosis import Diagnosis, ok, warning

if TYPE_CHECKING:
    from pathlib import Path

    from keepline.settings import Settings

_NET: Final = "proc/sys/net"
TRACKED_SHARE: Final = 0.8
"""Of the table of connection tracking: others on this machine have entries, too."""


def listen_queue(settings: Settings, root: Path) -> Diagnosis:
    """Return whether as many may wait to be accepted as the settings say."""
    most, wanted = _number(root, "core/somaxconn"), settings.server.backlog
    if most is None:
        return ok("listen queue", "this machine does not tell its length")
    if most >= wanted:
        return ok("listen queue", f"{wanted} may wait to be accepted")
    return warning(
        "listen queue",
        f"{most} may wait to be accepted, not the {wanted} of server.backlog: beyond, a connect"
        " takes a second or more",
        f"sysctl -w net.core.somaxconn={wanted}, and the same in /etc/sysctl.d/",
    )


def keepalive(settings: Settings, root: Path) -> Diagnosis:
    """Return whether the kernel's own keepalives stay behind our pings."""
    after_s, ours_s = _number(root, "ipv4/tcp_keepalive_time"), settings.heartbeat.ping_every_s
    if after_s is None:
        return ok("keepalive", "this machine does not tell its interval")
    if after_s > ours_s:
        return ok("keepalive", f"pings go out every {ours_s:g} s, the kernel adds nothing")
    return warning(
        "keepalive",
        f"the kernel asks silent peers after {after_s} s, before our pings of every {ours_s:g} s:"
        " twice the packets, and devices' radios wake for both",
        f"sysctl -w net.ipv4.tcp_keepalive_time={max(7_200, 2 * int(ours_s))}",
    )


def tracked(settings: Settings, root: Path) -> Diagnosis:
    """Return whether a firewall that follows connections has room for them, and for long enough."""
    most = _number(root, "netfilter/nf_conntrack_max")
    kept_s = _number(root, "netfilter/nf_conntrack_tcp_timeout_established")
    devices, ours_s = settings.server.max_connections, settings.heartbeat.ping_every_s
    if most is not None and TRACKED_SHARE * most < devices:
        wanted = int(devices / TRACKED_SHARE) + 1
        return warning(
            "firewall",
            f"its table has room for {most} connections, and {devices} devices may come: new ones"
            " would be dropped without a word",
            f"sysctl -w net.netfilter.nf_conntrack_max={2 * wanted}, or do not track the port",
        )
    if kept_s is not None and kept_s < 2 * ours_s:
        return warning(
            "firewall",
            f"it forgets a silent connection after {kept_s} s, pings go out every {ours_s:g} s",
            "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=86400, or a shorter"
            " heartbeat.interval_s",
        )
    if most is None or kept_s is None:
        return ok("firewall", "this machine does not tell of a table of connections")
    return ok("firewall", f"its table has room for {most} connections, and keeps them long enough")


def own_ports(settings: Settings, root: Path) -> Diagnosis:
    """Return whether there are ports for a connection to a voice server for each device."""
    servers, devices = len(settings.upstream.urls), settings.server.max_connections
    try:
        low, high = map(int, (root / _NET / "ipv4/ip_local_port_range").read_text("ascii").split())
    except (OSError, ValueError):
        return ok("own ports", "this machine does not tell its range")
    each = high - low + 1
    if servers * each >= devices:
        return ok("own ports", f"{each} to each of {servers} voice servers")
    return warning(
        "own ports",
        f"{each} to each of {servers} voice servers, and {devices} devices may come",
        "sysctl -w net.ipv4.ip_local_port_range='1024 65535', one more address of a voice server,"
        f" or server.max_connections of {servers * each}",
    )


def _number(root: Path, name: str) -> int | None:
    try:
        return int((root / _NET / name).read_text("ascii"))
    except (OSError, ValueError):
        return None
