"""Everything that is counted, and its exposition for Prometheus.

Counting costs one integer addition; names, labels and text come into being at the scrape only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

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


# name of the series: (attribute of Counters, help)
_PLAIN = {
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


# name of the series: (attribute of Counters, help)
_SPREADS = {
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


class Gauge(NamedTuple):
    """A number read at the scrape, None for none; with a `label`, one per value of that label.

    `values` are all that the label can be; () where settings or the program say it.
    """

    name: str
    help: str
    read: Callable[[], float | Mapping[str, float] | None]
    label: str | None = None
    values: tuple[str, ...] = ()


class Tally(NamedTuple):
    """A number that only grows, counted elsewhere and read at the scrape as a `Gauge` is."""

    name: str
    help: str
    read: Callable[[], float | Mapping[str, float] | None]
    label: str | None = None
    values: tuple[str, ...] = ()


class Spread(NamedTuple):
    """Observations counted elsewhere, None where there are none of them."""

    name: str
    help: str
    read: Callable[[], Histogram | None]


Shown: TypeAlias = Gauge | Tally | Spread


class Metrics(Collector):
    """The registry of one gateway: its counters, its gauges, its build."""

    def __init__(
        self,
        counters: Counters,
        shown: tuple[Shown, ...],
        *,
        version: str,
    ) -> None:
        self._counters = counters
        self.shown = shown
        self._version = version
        self._registry = CollectorRegistry()
        self._registry.register(self)

    async def text(self) -> bytes:
        """Return the exposition, 2 ms of work; the library's own look at the process took 11."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every family of ours; called by the registry."""
        counters = self._counters
        for name, (attribute, text) in _PLAIN.items():
            yield CounterMetricFamily(name, text, value=attrgetter(attribute)(counters))
        yield CounterMetricFamily(
            "keepline_configurations_answered",
            "Configuration requests that were answered with where to connect.",
            value=counters.disconnects[CloseReason.ANSWERED],
        )
        yield self._refusals()
        yield self._disconnects()
        yield self._faults()
        yield self._holds()
        yield self._outcomes()
        for name, (attribute, text) in _SPREADS.items():
            yield _spread(name, text, getattr(counters, attribute))
        for each in self.shown:
            if isinstance(each, Spread):
                yield _spread(each.name, each.help, each.read())
            else:
                yield _read(each)
        python = ".".join(map(str, sys.version_info[:3]))
        build = {"version": self._version, "python": python}
        yield InfoMetricFamily("keepline_build", "What is running.", value=build)

    def _refusals(self) -> Metric:
        text = "Connections refused before the upgrade."
        family = CounterMetricFamily("keepline_refusals", text, labels=["cause", "status"])
        for reason, count in self._counters.disconnects.items():
            if reason.status is not None and reason is not CloseReason.ANSWERED:
                family.add_metric([reason.cause, str(reason.status)], count)
        return family

    def _holds(self) -> Metric:
        text = "Times somebody who comes and goes without end was put on a higher step."
        family = CounterMetricFamily("keepline_holds", text, labels=["kind", "step"])
        for labels, count in self._counters.holds.items():
            family.add_metric(list(labels), count)
        return family

    def _outcomes(self) -> Metric:
        text = "Sessions that were opened, by what was found of the one before."
        family = CounterMetricFamily("keepline_resumptions", text, labels=["outcome"])
        for outcome, count in self._counters.outcomes.items():
            family.add_metric([outcome.value], count)
        return family

    def _faults(self) -> Metric:
        text = "Exceptions that were caught, by their class and where they came from."
        family = CounterMetricFamily("keepline_faults", text, labels=["fault", "source"])
        for (fault, source), count in self._counters.faults.items():
            family.add_metric([fault.value, source.value], count)
        return family

    def _disconnects(self) -> Metric:
        text = "Upgraded connections that ended, by who ended them and why."
        family = CounterMetricFamily("keepline_disconnects", text, labels=["initiator", "cause"])
        for reason, count in self._counters.disconnects.items():
            if reason.status is None:
                family.add_metric([reason.initiator.value, reason.cause], count)
        return family


def _spread(name: str, text: str, seen: Histogram | None) -> Metric:
    if seen is None:
        return HistogramMetricFamily(name, text)
    return HistogramMetricFamily(name, text, buckets=seen.cumulative(), sum_value=seen.sum)


def _read(gauge: Gauge | Tally) -> Metric:
    make_family = GaugeMetricFamily if isinstance(gauge, Gauge) else CounterMetricFamily
    value = gauge.read()
    if isinstance(value, Mapping):
        assert gauge.label is not None, f"{gauge.name} needs a label for its values"
        family = make_family(gauge.name, gauge.help, labels=[gauge.label])
        for label, number in value.items():
            family.add_metric([label], number)
        return family
    return make_family(gauge.name, gauge.help, value=value)
