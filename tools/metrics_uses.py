"""What an operator does with each series; the dashboard and the rules are about the same."""

from __future__ import annotations

from typing import Final

PARTS: Final[dict[str, dict[str, str]]] = {
    "Whom it serves": {
        "keepline_sessions": "the size of the fleet; a step down is a question for the endings",
        "keepline_sessions_limit": "`server.max_connections`; at 90 % of it more gateways are due",
        "keepline_sessions_by_state": "how many talk",
        "keepline_sessions_by_health": (
            "suspicious ones come and go; zombies stay while a mass suspicion lasts"
        ),
        "keepline_session_duration_seconds": "many short ones: devices that flap",
        "keepline_ready": "0: full, overloaded or draining; `/readyz` says which",
        "keepline_build_info": "which version runs where",
    },
    "Coming": {
        "keepline_connections_accepted_total": (
            "beside sessions opened: who knocks and does not get in"
        ),
        "keepline_admissions": "near its limit: a crowd, or an authenticator that is slow",
        "keepline_admissions_limit": "`server.max_admissions`",
        "keepline_admission_rate_per_second": "what a drain elsewhere can count on",
        "keepline_handshake_duration_seconds": (
            "high: the network to the devices, the authenticator, or the hub"
        ),
        "keepline_sessions_opened_total": "joins in a second",
        "keepline_resumptions_total": (
            "`expired` rises: devices come back later than `hub.resume_window_s`"
        ),
        "keepline_takeovers_total": (
            "many: devices that reconnect before their old connection is given up, or two "
            "with one id"
        ),
        "keepline_refusals_total": (
            "the cause says what to look at: [endings](endings.md#before-the-upgrade)"
        ),
        "keepline_configurations_answered_total": "boots of devices",
        "keepline_auth_callbacks_total": "the load on your callback",
        "keepline_auth_callback_failures_total": "any: devices are refused with 503",
        "keepline_holds_total": "who it is: `keepline bans list`",
        "keepline_held_peers": "the same, now",
        "keepline_activations_begun_total": "devices that nobody vouched for yet",
        "keepline_enrolments_total": "",
        "keepline_enrolment_codes_refused_total": "many: somebody guesses",
        "keepline_enrolment_proofs_refused_total": "any: a device that claims to be another",
        "keepline_enrolled_devices": "",
        "keepline_waiting_devices": "who waits: `keepline enrol list`",
        "keepline_certificate_expiry_timestamp_seconds": (
            "renew it before; there is none without TLS of our own"
        ),
    },
    "Leaving": {
        "keepline_disconnects_total": (
            "the cause says what to look at: [endings](endings.md#after-the-upgrade)"
        ),
        "keepline_disconnects_unattributed_ratio": "more than 0.01 is worth a bug report",
        "keepline_closes_confirmed_total": "",
        "keepline_closes_timed_out_total": "stock firmware never answers; not a fault",
        "keepline_cleanups": "that it comes back to 0; else a handler's `closed` is slow",
        "keepline_cleanup_failures_total": "any: the log has `cleanup_failed`",
    },
    "Heartbeats": {
        "keepline_ping_rtt_seconds": "a step up for all: the way to the fleet, or our loop",
        "keepline_pings_sent_total": "",
        "keepline_pings_received_total": "",
        "keepline_pongs_received_total": "",
        "keepline_probes_sent_total": "devices whose firmware does not pong",
        "keepline_probes_answered_total": "",
        "keepline_keepalives_sent_total": "",
        "keepline_ping_failures_total": "before suspicions: packets that are lost",
        "keepline_suspicions_total": "a surge: the network on the way, or we",
        "keepline_heartbeat_verdicts_total": "a surge: power or Wi-Fi of a site",
        "keepline_verdict_silence_seconds": (
            "how fast the dead are found; [heartbeats](heartbeats.md) says how to be faster"
        ),
        "keepline_mass_suspicions_total": (
            "the log has `mass_suspicion`; look at our own network first"
        ),
        "keepline_mass_suspicion": "1: nobody but 1 % a second is given up meanwhile",
    },
    "What is said": {
        "keepline_received_bytes_total": "",
        "keepline_sent_bytes_total": "",
        "keepline_frames_received_total": "",
        "keepline_frames_sent_total": "",
        "keepline_messages_received_total": "",
        "keepline_messages_sent_total": "",
        "keepline_malformed_messages_total": "a firmware that says what the protocol does not know",
        "keepline_malformed_audio_total": "a firmware whose audio version is another than it said",
        "keepline_audio_frames_received_total": "",
        "keepline_audio_frames_sent_total": "",
        "keepline_inbox_audio_dropped_total": "any: the handler is too slow",
        "keepline_outbox_audio_dropped_total": (
            "any: a device's link is too slow, or the handler ahead of real time"
        ),
        "keepline_peers_held_back_total": "who floods: [hostile peers](hostile-peers.md)",
    },
    "Handlers": {
        "keepline_handler_failures_total": "any: the log has `handler_failed` with the line",
        "keepline_handler_call_duration_seconds": (
            "rises: what handlers wait for; beyond `isolation.call_timeout_s` the session ends"
        ),
        "keepline_handler_calls_under_way": "rises and does not fall: what the handler waits for",
        "keepline_handler_suspended": "1: [what stays with one session](isolation.md)",
        "keepline_handler_suspended_addresses": (
            "any: `keepline handlers` names the first; one peer there, or a part of your fleet"
        ),
        "keepline_handler_suspensions_total": "",
        "keepline_stray_calls": "`keepline leaks` names them",
        "keepline_faults_total": '`source="us"`: a bug of Keepline',
        "keepline_loop_stalls_total": "any: `keepline handlers` says who held the loop up",
        "keepline_loop_stalled_seconds_total": "time in which no device was served",
    },
    "Resources": {
        "process_resident_memory_bytes": (
            "beside its limit; a rise while the fleet does not: a leak"
        ),
        "keepline_memory_limit_bytes": "",
        "keepline_memory_proportional_bytes": "",
        "process_cpu_seconds_total": "",
        "keepline_cpu_seconds_total": (
            "`loop` near 1 s a second: this gateway is full, whatever else says"
        ),
        "process_open_fds": "one for each device; at its limit nobody is accepted",
        "process_max_fds": "`LimitNOFILE` of the service",
        "process_start_time_seconds": "a restart",
        "keepline_loop_lag_seconds": "p95 above 50 ms: too much on the loop",
        "keepline_loop_lag_max_seconds": "what the worst of a minute was, whenever it is scraped",
        "keepline_queue_depth": (
            "stays high: `inbox` handlers, `outbox` devices, `hub` the disk, `log` its reader"
        ),
        "keepline_queue_bytes": "",
        "keepline_deadlines": "about one for each session",
        "keepline_samples_missed_total": "many: the machine is too busy to look at itself",
    },
    "Hub, log, webhook": {
        "keepline_hub_up": (
            "0: the disk is full, or the file locked; what was taken waits in memory"
        ),
        "keepline_hub_write_duration_seconds": (
            "each join waits for one; above 100 ms look at the disk"
        ),
        "keepline_hub_events_lost_total": "any: the disk is too slow for the events",
        "keepline_hub_own_lost_total": (
            "any: after a restart its series have a gap, or alerts begin anew"
        ),
        "keepline_log_lines_lost_total": "any: nobody reads the log",
        "keepline_webhook_tries_total": "",
        "keepline_webhook_events_delivered_total": "",
        "keepline_webhook_events_dropped_total": "any: its server is away or too slow",
    },
    "Pressure": {
        "keepline_pressure_ratio": "which signal is the highest limits this gateway",
        "keepline_governor_taken": "what is done about it just now",
        "keepline_governor_forced": "1: somebody overrules it; was that forgotten?",
        "keepline_governor_begun_total": "",
        "keepline_governed_devices_total": "`refused`: more gateways are due",
        "keepline_judging": "",
        "keepline_judging_limit": "falls: the authenticator is slower than it was",
        "keepline_newcomers_per_turn": "as many as take 4 ms of CPU time: a slow core takes fewer",
        "keepline_judging_waiting": "a crowd is on its way in",
    },
    "Alerts": {
        "keepline_alerts_open": "what they are: `keepline alerts`",
        "keepline_alerts_oldest_age_seconds": "high: something that nobody looks after",
        "keepline_alert_transitions_total": "many: an alert that flaps",
        "keepline_alerts_refused_total": "any: so much is wrong that not all of it is told",
        "keepline_alert_delivery_tries_total": "",
        "keepline_alerts_delivered_total": "",
        "keepline_alerts_undelivered_total": "any: the web server that is to be told is away",
    },
    "Drain": {
        "keepline_drain_phase": "where it is; `keepline drain` shows the rest",
        "keepline_drain_eta_seconds": "",
        "keepline_drain_pace_ratio": "below 1: the loop was late, or it is paused",
        "keepline_drained_devices_total": (
            "`cut` and `dropped` above 0: `drain.wait_s` is too short"
        ),
    },
    "Relay": {
        "keepline_upstream_connections": "",
        "keepline_upstream_connecting": "",
        "keepline_upstream_ejected": "1: look at that voice server; others serve meanwhile",
        "keepline_upstream_draining": "",
        "keepline_upstream_latency_seconds": "",
        "keepline_upstream_connects_total": "",
        "keepline_upstream_failures_total": "",
        "keepline_upstream_ejections_total": "",
    },
}
