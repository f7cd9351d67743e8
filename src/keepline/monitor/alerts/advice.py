"""What to do, by what an alert is about and its kind; docs/alerts.md has this table. Pure."""

from __future__ import annotations

from typing import Final

from keepline.monitor.alerts.alert import INCIDENT
from keepline.monitor.alerts.incidents import Incident
from keepline.monitor.findings import Kind
from keepline.monitor.gauges import Gauge

ADVICE: Final = {
    (Gauge.MEMORY_BYTES, Kind.THRESHOLD): (
        "See what it is with `keepline monitor` and `keepline leaks`; give the process"
        " more memory, or the node fewer devices (`server.max_connections`)."
    ),
    (Gauge.MEMORY_BYTES, Kind.TREND): (
        "If it is called a leak, `keepline leaks` names who grows; drain and restart"
        " before the time is over. If it is load, send new devices elsewhere."
    ),
    (Gauge.CPU_PERCENT, Kind.THRESHOLD): (
        "`keepline monitor` shows which thread it is. The loop's: fewer devices, or handlers that"
        " compute less or in threads (`threaded`)."
    ),
    (Gauge.CONNECTIONS, Kind.THRESHOLD): (
        "If so many are expected, raise `rules.connections`; else look who they are with"
        " `keepline sessions`, and start another node before it is full."
    ),
    (Gauge.CONNECTIONS, Kind.TREND): (
        "Start another node before the time is over, or raise `server.max_connections` where"
        " memory and descriptors allow it."
    ),
    (Gauge.QUEUE_DEPTH, Kind.THRESHOLD): (
        "`keepline monitor` shows what waits: for handlers, then they are too slow; for devices,"
        " then their network is, or too much is sent."
    ),
    (Gauge.QUEUE_DEPTH, Kind.TREND): (
        "More comes in than is handled: look what handlers wait for (`keepline handlers`) before"
        " audio is dropped."
    ),
    (Gauge.DESCRIPTORS, Kind.TREND): (
        "Raise the limit of open files (`LimitNOFILE`), or find what opens files or sockets and"
        " never closes them: connections alone are in `keepline monitor`."
    ),
    (Gauge.DISCONNECTS_PER_S, Kind.ANOMALY): (
        "`keepline monitor` shows who ended them and why. Most by one cause: follow it in"
        " docs/endings.md; by the network: look at what is in front of the gateway."
    ),
    (Gauge.RTT_P50_S, Kind.ANOMALY): (
        "If the loop is late too (`keepline monitor`), it is this node; if not, it is the network"
        " between it and its devices."
    ),
    (Gauge.HANDSHAKE_FAILURES_PER_S, Kind.ANOMALY): (
        "`keepline device` tells why a device was refused. Tokens that expired, a certificate, or"
        " somebody who tries: `keepline bans list` shows who is held up."
    ),
    (Incident.MASS_SUSPICION, INCIDENT): (
        "So many devices fall silent at once for a fault on this side: look at the network, the"
        " proxy in front and the loop's lateness. Few are given up meanwhile."
    ),
    (Incident.LOOP_BLOCKED, INCIDENT): (
        "The handler that is named computes or waits on the loop, and all devices wait with it:"
        " make it `async`, or `threaded`."
    ),
    (Incident.HANDLER_SUSPENDED, INCIDENT): (
        "Its sessions fail on many devices: the log has the traceback (`handler_failed`). Sessions"
        " are tried again by themselves once it works."
    ),
    (Incident.STORE_AWAY, INCIDENT): (
        "The file in `data_dir` cannot be written: look at the disk (full, read-only, gone)."
        " Devices stay connected; what is not written may be lost at a crash."
    ),
    (Incident.CLUSTER_AWAY, INCIDENT): (
        "No NATS server answers, or too few of them for its streams: look at them, and at the"
        " network in between. Devices that are here stay connected, what they save waits."
    ),
    (Incident.OUT_OF_DESCRIPTORS, INCIDENT): (
        "Devices are turned away: raise the limit of open files (`LimitNOFILE`), or lower"
        " `server.max_connections` below it."
    ),
    (Incident.KICK_WAR, INCIDENT): (
        "Two devices have one id, or one was copied: find them with `keepline bans list` and give"
        " one another id."
    ),
    (Incident.BANS, INCIDENT): (
        "`keepline bans list` shows who comes and goes without end. A broken device: look at it; an"
        " address that should not: keep it out in front."
    ),
    (Incident.LEAK, INCIDENT): (
        "What is named has had more under way at every look: a task or timer that never ends, or a"
        " queue that nobody empties. `keepline leaks` shows them all."
    ),
    (Incident.CERTIFICATE_EXPIRES, INCIDENT): (
        "Renew the files of `tls.certificate`; they are loaded without a restart. After that time"
        " no device can connect."
    ),
    (Incident.UPSTREAM_AWAY, INCIDENT): (
        "Look at that voice server, and at the way to it: `keepline upstreams` shows why it was"
        " left alone. It comes back by itself."
    ),
    (Incident.WORKER_ENDED, INCIDENT): (
        "A worker process ended by itself: `worker_ended` in the log says how, and what stands"
        " before it may say why. SIGKILL is mostly the kernel's, for want of memory."
    ),
}


def advice_for(about: str, kind: str) -> str:
    """Return one or two sentences of what to do; empty for what nobody has written about."""
    return _BY_NAME.get((about, kind), "")


_BY_NAME: Final = {(str(about), str(kind)): text for (about, kind), text in ADVICE.items()}
