"""Everything that is counted: plain numbers, and the series as which each is shown.

Counting costs one integer addition; `monitor.exposition` makes text of it, at the scrape only.
"""

from __future__ import annotations

from itertools import product
from typing import Final

from keepline.histogram import Histogram
from keepline.hub.port import Outcome
from keepline.lifecycle.faults import Fault, Source
from keepline.reasons import CloseReason

# From a device on the same switch to one behind a congested mobile link.
RTT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


# From the timer's own rounding to a stall in which devices would be given up.
LAG_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

# From a device on the same switch to the last that is let in: hellos may take 10 s.
HANDSHAKE_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# From what a device in conversation is given to the 90 s of the outermost bound.
SILENCE_BOUNDS_S = (1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0, 90.0, 120.0)

# From a tick, which is as fine as they are timed, to what nobody waits for.
CALL_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

# From who leaves at once, over a conversation and a day's talk, to who is left open for days.
SESSION_BOUNDS_S = (1.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0, 86400.0, 604800.0)


# Who is held up, and how far that has gone.
HOLDS = (*product(("device", "address"), ("delayed", "denied", "banned")), ("kick_war", "denied"))


class Deliveries:
    """What was told to one web server: requests that were made, and what became of the items."""

    __slots__ = ("delivered", "dropped", "tries")

    def __init__(self) -> None:
        self.tries = 0
        self.delivered = 0
        self.dropped = 0


class Counters:
    """What happened since the start: plain numbers that their owners add to.

    `disconnects` holds every reason from the first moment on, refusals before the upgrade too, so
    that a series is there before its first event.
    """

    __slots__ = (
        "activations_begun",
        "audio_in",
        "audio_out",
        "auth_callback_failures",
        "auth_callbacks",
        "bytes_in",
        "bytes_out",
        "calls",
        "cleanup_failures",
        "closes_confirmed",
        "closes_timed_out",
        "connections_accepted",
        "disconnects",
        "enrolment_codes_refused",
        "enrolment_proofs_refused",
        "enrolments",
        "faults",
        "frames_in",
        "frames_out",
        "handler_failures",
        "handshake",
        "holds",
        "inbox_audio_dropped",
        "keepalives_sent",
        "log_lines_lost",
        "loop_lag",
        "loop_stalled_s",
        "loop_stalls",
        "malformed_audio",
        "malformed_messages",
        "mass_suspicions",
        "messages_in",
        "messages_out",
        "outbox_audio_dropped",
        "outcomes",
        "peers_held_back",
        "ping_failures",
        "pings_received",
        "pings_sent",
        "pongs_received",
        "probes_answered",
        "probes_sent",
        "rtt",
        "session",
        "sessions_opened",
        "silence",
        "suspicions",
        "takeovers",
        "verdicts",
        "webhook",
    )

    def __init__(self) -> None:
        self.connections_accepted = 0
        self.sessions_opened = 0
        self.outcomes = dict.fromkeys(Outcome, 0)
        self.disconnects = dict.fromkeys(CloseReason, 0)
        self.takeovers = 0
        self.closes_confirmed = 0
        self.closes_timed_out = 0
        self.auth_callbacks = 0
        self.auth_callback_failures = 0
        self.frames_in = 0
        self.frames_out = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.messages_in = 0
        self.messages_out = 0
        self.malformed_messages = 0
        self.malformed_audio = 0
        self.audio_in = 0
        self.audio_out = 0
        self.inbox_audio_dropped = 0
        self.outbox_audio_dropped = 0
        self.peers_held_back = 0
        self.pings_sent = 0
        self.pings_received = 0
        self.pongs_received = 0
        self.probes_sent = 0
        self.probes_answered = 0
        self.keepalives_sent = 0
        self.ping_failures = 0
        self.suspicions = 0
        self.verdicts = 0
        self.webhook = Deliveries()
        self.mass_suspicions = 0
        self.rtt = Histogram(RTT_BOUNDS_S)
        self.handshake = Histogram(HANDSHAKE_BOUNDS_S)
        self.calls = Histogram(CALL_BOUNDS_S)
        self.silence = Histogram(SILENCE_BOUNDS_S)  # of the devices that were judged dead
        self.session = Histogram(SESSION_BOUNDS_S)
        self.loop_lag = Histogram(LAG_BOUNDS_S)
        self.activations_begun = 0
        self.enrolments = 0
        self.enrolment_codes_refused = 0
        self.enrolment_proofs_refused = 0
        self.faults = dict.fromkeys(product(Fault, Source), 0)
        self.handler_failures = 0
        self.holds = dict.fromkeys(HOLDS, 0)
        self.cleanup_failures = 0
        self.loop_stalls = 0
        self.loop_stalled_s = 0.0
        self.log_lines_lost = 0


COUNTER_SERIES: Final = {
    "keepline_connections_accepted": (
        "connections_accepted",
        "TCP connections taken from the listening socket.",
    ),
    "keepline_sessions_opened": ("sessions_opened", "Devices whose hello was accepted."),
    "keepline_takeovers": ("takeovers", "Connections replaced by a newer one of the same device."),
    "keepline_closes_confirmed": (
        "closes_confirmed",
        "Close frames of ours that a device answered.",
    ),
    "keepline_closes_timed_out": (
        "closes_timed_out",
        "Close frames of ours that no device answered in time, so that TCP was dropped.",
    ),
    "keepline_auth_callbacks": ("auth_callbacks", "Times the authentication callback was asked."),
    "keepline_auth_callback_failures": (
        "auth_callback_failures",
        "Times the authentication callback gave no usable answer.",
    ),
    "keepline_frames_received": ("frames_in", "WebSocket frames received."),
    "keepline_frames_sent": ("frames_out", "WebSocket frames sent."),
    "keepline_received_bytes": ("bytes_in", "Bytes read from devices."),
    "keepline_sent_bytes": ("bytes_out", "Bytes written to devices."),
    "keepline_messages_received": ("messages_in", "JSON messages received."),
    "keepline_messages_sent": ("messages_out", "JSON messages sent."),
    "keepline_malformed_messages": (
        "malformed_messages",
        "Text messages that were no message of the device protocol.",
    ),
    "keepline_malformed_audio": (
        "malformed_audio",
        "Binary messages that were no audio of the session's version.",
    ),
    "keepline_audio_frames_received": ("audio_in", "Audio frames received."),
    "keepline_audio_frames_sent": ("audio_out", "Audio frames sent."),
    "keepline_inbox_audio_dropped": (
        "inbox_audio_dropped",
        "Audio frames dropped because the handler was too slow.",
    ),
    "keepline_outbox_audio_dropped": (
        "outbox_audio_dropped",
        "Audio frames dropped because the device was too slow.",
    ),
    "keepline_peers_held_back": (
        "peers_held_back",
        "Times a device that sent too much was not read for the rest of a second.",
    ),
    "keepline_pings_sent": ("pings_sent", "Pings sent to devices."),
    "keepline_pings_received": ("pings_received", "Pings received from devices."),
    "keepline_pongs_received": ("pongs_received", "Pongs received from devices."),
    "keepline_probes_sent": ("probes_sent", "Requests sent as pings to devices that never pong."),
    "keepline_probes_answered": (
        "probes_answered",
        "Answers of devices to probes and to keepalives.",
    ),
    "keepline_keepalives_sent": (
        "keepalives_sent",
        "Data messages sent so that a device keeps its channel.",
    ),
    "keepline_ping_failures": ("ping_failures", "Pings that no life answered in time."),
    "keepline_suspicions": ("suspicions", "Times a device became suspicious."),
    "keepline_heartbeat_verdicts": ("verdicts", "Devices judged dead by their silence."),
    "keepline_webhook_tries": ("webhook.tries", "Deliveries to the webhook that were tried."),
    "keepline_webhook_events_delivered": ("webhook.delivered", "Events that the webhook took."),
    "keepline_webhook_events_dropped": ("webhook.dropped", "Events that it was never told."),
    "keepline_mass_suspicions": (
        "mass_suspicions",
        "Incidents in which so many devices fell silent that our own side is suspected.",
    ),
    "keepline_activations_begun": (
        "activations_begun",
        "Devices that were given a code to be approved by.",
    ),
    "keepline_enrolments": ("enrolments", "Devices that somebody vouched for."),
    "keepline_enrolment_codes_refused": (
        "enrolment_codes_refused",
        "Codes from operators that were nobody's.",
    ),
    "keepline_enrolment_proofs_refused": (
        "enrolment_proofs_refused",
        "Proofs of a known device's key that did not hold.",
    ),
    "keepline_handler_failures": ("handler_failures", "Exceptions raised by handlers."),
    "keepline_cleanup_failures": ("cleanup_failures", "Cleanup steps that raised."),
    "keepline_loop_stalls": ("loop_stalls", "Times the event loop stood still."),
    "keepline_loop_stalled_seconds": ("loop_stalled_s", "Time the event loop stood still."),
    "keepline_log_lines_lost": (
        "log_lines_lost",
        "Lines of the log that could not be written, mostly because nobody read them.",
    ),
}
"""By the name of the series: the attribute of `Counters`, and its help."""

HISTOGRAM_SERIES: Final = {
    "keepline_handshake_duration_seconds": (
        "handshake",
        "Time from the accept to the session, of devices that were let in.",
    ),
    "keepline_session_duration_seconds": ("session", "How old sessions were when they ended."),
    "keepline_ping_rtt_seconds": (
        "rtt",
        "Time from a ping to its pong, or from a probe to its answer.",
    ),
    "keepline_verdict_silence_seconds": (
        "silence",
        "How long devices had been silent when they were judged dead.",
    ),
    "keepline_handler_call_duration_seconds": (
        "calls",
        "How long calls of handlers took that await something, to a tenth of a second.",
    ),
    "keepline_loop_lag_seconds": (
        "loop_lag",
        "By how much each tick of the loop was late; there are ten in a second.",
    ),
}
"""As those of counters."""
