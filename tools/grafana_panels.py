"""What the dashboard shows, row by row; `@` is the gateways that are chosen."""

from __future__ import annotations

from typing import Final

from tools.grafana_inside import HANDLERS, QUEUES_AND_HUB, RELAY, RESOURCES
from tools.grafana_panel import Panel, good_below, number, per_s, quantile, quantiles

_ALL_ARE_ONE: Final = ((None, "red"), (1, "green"))

GLANCE: Final = (
    number(
        "Connected",
        "Devices with a session, on all gateways that are chosen.",
        "short",
        "sum(keepline_sessions{@})",
    ),
    number(
        "Full",
        "Sessions beside what `server.max_connections` allows.",
        "percentunit",
        "sum(keepline_sessions{@}) / sum(keepline_sessions_limit{@})",
        steps=good_below(0.8, 0.9),
    ),
    number(
        "Gateways ready",
        (
            "The share of gateways to which devices may be sent; the others are full, "
            "overloaded or leave."
        ),
        "percentunit",
        "avg(keepline_ready{@})",
        steps=_ALL_ARE_ONE,
    ),
    number(
        "Joins",
        "Sessions opened in a second.",
        "ops",
        per_s("keepline_sessions_opened_total"),
    ),
    number(
        "RTT, p95",
        "Round trips of pings: the way to the fleet and back.",
        "s",
        quantile(0.95, "keepline_ping_rtt_seconds"),
        steps=good_below(0.5, 2),
    ),
    number(
        "Ends nobody can explain",
        "Endings since the start whose cause says nothing. Above 1 % is worth a bug report.",
        "percentunit",
        "max(keepline_disconnects_unattributed_ratio{@})",
        steps=good_below(0.005, 0.01),
    ),
    Panel(
        title="Connected, by state",
        description="Active devices talk; idle ones are connected and silent.",
        unit="short",
        lines=(("sum by (state) (keepline_sessions_by_state{@})", "{{state}}"),),
        is_stacked=True,
    ),
    Panel(
        title="Connected, by health",
        description=(
            "What the heartbeat makes of them. Suspicious ones come and go; many at once are "
            "the network's fault, or ours."
        ),
        unit="short",
        lines=(("sum by (health) (keepline_sessions_by_health{@})", "{{health}}"),),
        is_stacked=True,
    ),
    Panel(
        title="Connected, by gateway",
        description="Whether the fleet is spread. The dashed line of each is its limit.",
        unit="short",
        lines=(
            ("keepline_sessions{@}", "{{instance}}"),
            ("keepline_sessions_limit{@}", "{{instance}}, limit"),
        ),
    ),
)

COMING_AND_LEAVING: Final = (
    Panel(
        title="Joins, by what was found",
        description=(
            "`resumed` got back what it had; `expired` came back too late for it; `new` had "
            "nothing."
        ),
        unit="ops",
        lines=((per_s("keepline_resumptions_total", "outcome"), "{{outcome}}"),),
        is_stacked=True,
    ),
    Panel(
        title="Disconnects, by who and why",
        description=(
            "Every ending of an upgraded connection. docs/endings.md says of each cause what "
            "to look at."
        ),
        unit="ops",
        width=16,
        lines=(
            (
                f"{per_s('keepline_disconnects_total', 'initiator', 'cause')} > 0",
                "{{initiator}}: {{cause}}",
            ),
        ),
        is_stacked=True,
        is_long=True,
    ),
    Panel(
        title="Handshake",
        description=(
            "From the accept to the session, of devices that were let in: network, "
            "authenticator, hub."
        ),
        unit="s",
        lines=quantiles("keepline_handshake_duration_seconds"),
    ),
    Panel(
        title="Refused before the upgrade",
        description="Requests that got an HTTP answer and no connection, by cause.",
        unit="ops",
        width=16,
        lines=(
            (f"{per_s('keepline_refusals_total', 'cause', 'status')} > 0", "{{status}} {{cause}}"),
        ),
        is_stacked=True,
        is_long=True,
    ),
    Panel(
        title="How old sessions get",
        description="Many short ones: devices that flap, or a network that does.",
        unit="s",
        kind="heatmap",
        lines=(
            (
                (
                    "sum by (le) "
                    "(increase(keepline_session_duration_seconds_bucket{@}[$__rate_interval]))"
                ),
                "{{le}}",
            ),
        ),
    ),
    Panel(
        title="Held up",
        description=(
            "Devices and addresses that come and go without end. `keepline bans list` names them."
        ),
        unit="short",
        lines=(("sum by (kind) (keepline_held_peers{@})", "{{kind}}"),),
    ),
    Panel(
        title="On the way in",
        description="Handshakes under way, and how many may be; requests that wait to be judged.",
        unit="short",
        lines=(
            ("sum(keepline_admissions{@})", "under way"),
            ("sum(keepline_admissions_limit{@})", "limit"),
            ("sum(keepline_judging_waiting{@})", "wait to be judged"),
        ),
    ),
)

HEARTBEATS: Final = (
    Panel(
        title="Round trips",
        description="Every pong, by how long it took. A second band is a second kind of network.",
        unit="s",
        kind="heatmap",
        width=16,
        lines=(
            (
                "sum by (le) (increase(keepline_ping_rtt_seconds_bucket{@}[$__rate_interval]))",
                "{{le}}",
            ),
        ),
    ),
    Panel(
        title="Round trips, quantiles",
        description="A step up for all at once is the way to the fleet, or our own loop.",
        unit="s",
        lines=quantiles("keepline_ping_rtt_seconds"),
    ),
    Panel(
        title="Doubts and verdicts",
        description=(
            "Pings without an answer, devices under suspicion, devices judged dead, in a second."
        ),
        unit="ops",
        lines=(
            (per_s("keepline_ping_failures_total"), "unanswered pings"),
            (per_s("keepline_suspicions_total"), "suspicions"),
            (per_s("keepline_heartbeat_verdicts_total"), "verdicts"),
        ),
    ),
    Panel(
        title="Silence before a verdict",
        description=(
            "How long devices had been silent when they were judged dead: how fast the dead "
            "are found."
        ),
        unit="s",
        lines=quantiles("keepline_verdict_silence_seconds"),
    ),
    Panel(
        title="Mass suspicion",
        description=(
            "1 while so many are silent at once that our own side is suspected, and hardly "
            "anybody is given up."
        ),
        unit="short",
        most=1,
        lines=(("max by (instance) (keepline_mass_suspicion{@})", "{{instance}}"),),
    ),
    Panel(
        title="Pings and answers",
        description=(
            "What the heartbeat costs the network. Probes are for firmware that does not pong."
        ),
        unit="ops",
        width=24,
        height=6,
        lines=(
            (per_s("keepline_pings_sent_total"), "pings"),
            (per_s("keepline_pongs_received_total"), "pongs"),
            (per_s("keepline_probes_sent_total"), "probes"),
            (per_s("keepline_probes_answered_total"), "answers to probes"),
            (per_s("keepline_keepalives_sent_total"), "keepalives"),
        ),
    ),
)

DRAIN: Final = (
    Panel(
        title="Phase",
        description="What the drain of each gateway is about.",
        unit="short",
        kind="state-timeline",
        width=12,
        lines=(
            (
                'max by (instance, phase) (keepline_drain_phase{@, phase!="none"}) > 0',
                "{{instance}} {{phase}}",
            ),
        ),
    ),
    Panel(
        title="Goes on at most",
        description="How long each drain may still take.",
        unit="s",
        width=6,
        lines=(("keepline_drain_eta_seconds{@}", "{{instance}}"),),
    ),
    Panel(
        title="Pace",
        description="The share of the planned pace at which devices are let go; 0 while paused.",
        unit="percentunit",
        width=6,
        lines=(("keepline_drain_pace_ratio{@}", "{{instance}}"),),
    ),
    Panel(
        title="What became of devices that left",
        description=(
            "`sent` in their slot, `forced` at the end, `cut` in the middle of a turn, "
            "`dropped` without a Close."
        ),
        unit="ops",
        width=12,
        lines=((per_s("keepline_drained_devices_total", "outcome"), "{{outcome}}"),),
        is_stacked=True,
    ),
    Panel(
        title="May arrive in a second",
        description=(
            "What each gateway can take, by what one admission was seen to cost: the pace "
            "that a drain elsewhere can count on."
        ),
        unit="ops",
        width=12,
        lines=(("keepline_admission_rate_per_second{@}", "{{instance}}"),),
    ),
)

ALERTS: Final = (
    Panel(
        title="Alerts of the gateways",
        description=(
            "What the gateways' own rules find; `keepline alerts` tells what, and what to do."
        ),
        unit="short",
        lines=(("sum by (severity) (keepline_alerts_open{@})", "{{severity}}"),),
        is_stacked=True,
    ),
    number(
        "Open for",
        "For how long the oldest open alert of a gateway has been so.",
        "s",
        "max(keepline_alerts_oldest_age_seconds{@})",
        width=4,
        height=8,
        steps=good_below(3600, 6 * 3600),
    ),
    Panel(
        title="Notices that came to nobody",
        description=(
            "Alerts for which there was no room, and notices that the web server never took."
        ),
        unit="ops",
        width=12,
        lines=(
            (per_s("keepline_alerts_refused_total"), "no room"),
            (per_s("keepline_alerts_undelivered_total"), "not delivered"),
        ),
    ),
    Panel(
        title="Alerts of Prometheus",
        description=(
            "Rules of deploy/prometheus/keepline.rules.yml that hold now; each says what to do."
        ),
        unit="short",
        kind="state-timeline",
        width=16,
        lines=(
            (
                (
                    'max by (alertname, instance) (ALERTS{alertname=~"Keepline.*", '
                    'alertstate="firing"})'
                ),
                "{{alertname}} {{instance}}",
            ),
        ),
    ),
    number(
        "Certificate is good for",
        "Of the devices' port; empty where TLS ends elsewhere.",
        "s",
        "min(keepline_certificate_expiry_timestamp_seconds{@}) - time()",
        width=8,
        height=8,
        steps=((None, "red"), (7 * 86_400, "orange"), (21 * 86_400, "green")),
    ),
)

ROWS: Final[tuple[tuple[str, bool, tuple[Panel, ...]], ...]] = (
    ("Fleet at a glance", True, GLANCE),
    ("Coming and leaving", True, COMING_AND_LEAVING),
    ("Heartbeats", True, HEARTBEATS),
    ("Resources", True, RESOURCES),
    ("Queues and hub", True, QUEUES_AND_HUB),
    ("Handlers", False, HANDLERS),
    ("Relay", False, RELAY),
    ("Drain", False, DRAIN),
    ("Alerts", True, ALERTS),
)
