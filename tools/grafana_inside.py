"""What the dashboard shows of the gateways themselves; `@` is those that are chosen."""

from __future__ import annotations

from typing import Final

from tools.grafana_panel import Panel, per_s, quantile, quantiles

RESOURCES: Final = (
    Panel(
        title="Memory",
        description="Resident memory beside what the control group or the machine allows.",
        unit="bytes",
        lines=(
            ("process_resident_memory_bytes{@}", "{{instance}}"),
            ("keepline_memory_limit_bytes{@}", "{{instance}}, limit"),
        ),
    ),
    Panel(
        title="Memory for a session",
        description=(
            "All memory by all sessions. A rise while the fleet stays as it is: a leak. "
            "`keepline leaks` names who grows."
        ),
        unit="bytes",
        lines=(
            (
                "sum(process_resident_memory_bytes{@}) / (sum(keepline_sessions{@}) > 100)",
                "resident by session",
            ),
        ),
    ),
    Panel(
        title="CPU, by threads",
        description=(
            "Of one core. The loop is one thread: at 100 % this gateway is full, whatever "
            "the machine has left."
        ),
        unit="percentunit",
        lines=(
            (
                f"{per_s('keepline_cpu_seconds_total', 'instance', 'threads')}",
                "{{instance}} {{threads}}",
            ),
        ),
    ),
    Panel(
        title="Lateness of the loop",
        description=(
            "By how much ticks were late. Above 50 ms devices notice; stalls are counted "
            "apart and never blamed on a device."
        ),
        unit="s",
        lines=(
            (quantile(0.5, "keepline_loop_lag_seconds"), "p50"),
            (quantile(0.95, "keepline_loop_lag_seconds"), "p95"),
            ("max(keepline_loop_lag_max_seconds{@})", "worst of a minute"),
        ),
    ),
    Panel(
        title="Descriptors",
        description="One for each device. At the limit nobody is accepted.",
        unit="short",
        lines=(
            ("process_open_fds{@}", "{{instance}}"),
            ("process_max_fds{@}", "{{instance}}, limit"),
        ),
    ),
    Panel(
        title="Bytes of devices",
        description="As this gateway counts them; not what the machine's network does.",
        unit="Bps",
        lines=(
            (per_s("keepline_received_bytes_total"), "received"),
            (per_s("keepline_sent_bytes_total"), "sent"),
        ),
    ),
    Panel(
        title="Pressure",
        description="What limits a gateway just now, by signal; what is done about it is below.",
        unit="percentunit",
        width=12,
        lines=(("max by (signal) (keepline_pressure_ratio{@})", "{{signal}}"),),
    ),
    Panel(
        title="Done about the pressure",
        description="1 for each measure that is taken now, by any gateway.",
        unit="short",
        width=12,
        lines=(("max by (action) (keepline_governor_taken{@}) > 0", "{{action}}"),),
    ),
)

QUEUES_AND_HUB: Final = (
    Panel(
        title="What waits",
        description=(
            "`inbox` for handlers, `outbox` for devices, `hub` for the disk, `log` for its reader."
        ),
        unit="short",
        lines=(("sum by (queue) (keepline_queue_depth{@})", "{{queue}}"),),
    ),
    Panel(
        title="What waits, in bytes",
        description=(
            "Each queue has a limit among the settings, and what happens beyond it is counted."
        ),
        unit="bytes",
        lines=(("sum by (queue) (keepline_queue_bytes{@})", "{{queue}}"),),
    ),
    Panel(
        title="Dropped",
        description=(
            "Audio that came too fast for a handler or a device; events, samples and log lines "
            "that found no room; notices to the webhook."
        ),
        unit="ops",
        lines=(
            (per_s("keepline_inbox_audio_dropped_total"), "audio for handlers"),
            (per_s("keepline_outbox_audio_dropped_total"), "audio for devices"),
            (per_s("keepline_hub_events_lost_total"), "events"),
            (per_s("keepline_hub_own_lost_total"), "the gateway's own samples and notes"),
            (per_s("keepline_log_lines_lost_total"), "log lines"),
            (per_s("keepline_webhook_events_dropped_total"), "webhook"),
        ),
    ),
    Panel(
        title="Writes of the hub",
        description="From asking to commit. Each device that joins waits for one.",
        unit="s",
        width=16,
        lines=quantiles("keepline_hub_write_duration_seconds"),
    ),
    Panel(
        title="The hub can be written",
        description="0: the disk is full, or the file locked. What was taken waits in memory.",
        unit="short",
        most=1,
        lines=(("min by (instance) (keepline_hub_up{@})", "{{instance}}"),),
    ),
)

HANDLERS: Final = (
    Panel(
        title="Messages and audio",
        description="What devices say, and what handlers say to them.",
        unit="ops",
        lines=(
            (per_s("keepline_messages_received_total"), "messages received"),
            (per_s("keepline_messages_sent_total"), "messages sent"),
            (per_s("keepline_audio_frames_received_total"), "audio received"),
            (per_s("keepline_audio_frames_sent_total"), "audio sent"),
        ),
    ),
    Panel(
        title="Calls that wait for something",
        description=(
            "Sessions whose handler awaits. A rise without end: what it waits for does not answer."
        ),
        unit="short",
        lines=(
            ("sum(keepline_handler_calls_under_way{@})", "under way"),
            ("sum by (kind) (keepline_stray_calls{@})", "outlive their session: {{kind}}"),
        ),
    ),
    Panel(
        title="Calls that await something",
        description="How long they take, to a tenth of a second; plain calls are not timed.",
        unit="s",
        lines=quantiles("keepline_handler_call_duration_seconds"),
    ),
    Panel(
        title="Faults",
        description=(
            "Exceptions, by class and whence. `us` is a bug of Keepline; a handler's are in "
            "the log with their line."
        ),
        unit="ops",
        lines=(
            (
                f"{per_s('keepline_faults_total', 'source', 'fault')} > 0",
                "{{source}}: {{fault}}",
            ),
        ),
    ),
    Panel(
        title="Time in which nobody was served",
        description="The loop stood still. `keepline handlers` says who held it up last.",
        unit="percentunit",
        lines=((per_s("keepline_loop_stalled_seconds_total", "instance"), "{{instance}}"),),
    ),
    Panel(
        title="Classes of handlers that are suspended",
        description="1 while no session of it is begun, since it failed with too many devices.",
        unit="short",
        lines=(("max by (handler) (keepline_handler_suspended{@})", "{{handler}}"),),
    ),
    Panel(
        title="Malformed",
        description="What was no message, and no audio, of the protocol: a firmware to look at.",
        unit="ops",
        lines=(
            (per_s("keepline_malformed_messages_total"), "messages"),
            (per_s("keepline_malformed_audio_total"), "audio"),
        ),
    ),
)

RELAY: Final = (
    Panel(
        title="Voice servers that are left alone",
        description="1 while connects to one fail and others serve; it is tried again by itself.",
        unit="short",
        most=1,
        width=24,
        height=5,
        lines=(("max by (upstream) (keepline_upstream_ejected{@})", "{{upstream}}"),),
    ),
    Panel(
        title="Connections to voice servers",
        description="Open ones, by voice server. Empty without a relay.",
        unit="short",
        lines=(("sum by (upstream) (keepline_upstream_connections{@})", "{{upstream}}"),),
        is_stacked=True,
    ),
    Panel(
        title="How fast they answer",
        description="A moving average of the connects to each; 0 while unknown.",
        unit="s",
        lines=(("max by (upstream) (keepline_upstream_latency_seconds{@})", "{{upstream}}"),),
    ),
    Panel(
        title="Failures",
        description=(
            "Connects that failed and connections that broke; each ejection leaves a voice "
            "server alone for a while."
        ),
        unit="ops",
        lines=(
            (per_s("keepline_upstream_failures_total", "upstream"), "{{upstream}}"),
            (per_s("keepline_upstream_ejections_total", "upstream"), "{{upstream}}, ejected"),
        ),
    ),
)
