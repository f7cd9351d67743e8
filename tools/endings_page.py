"""Prints every way a connection can end, with what it means to whom, into docs/endings.md.

python -m tools.endings_page [--check]
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from keepline.reasons import Advice, CloseReason, Initiator
from tools.generated import renewed, run

PAGE = Path(__file__).parents[1] / "docs" / "endings.md"

R = CloseReason


class Meaning(NamedTuple):
    """What happened, and what an operator should look at; "" for nothing."""

    happened: str
    look_at: str


MEANINGS: dict[CloseReason, Meaning] = {
    R.DEVICE_CLOSED: Meaning(
        "the device closed TCP without a Close: **the normal end** of a conversation", ""
    ),
    R.DEVICE_SAID_CLOSE: Meaning(
        "the device closed with a closing handshake; `detail` has its code", ""
    ),
    R.DEVICE_RESET: Meaning(
        "the device, or something on the way, reset TCP",
        "many from one place: a NAT or firewall that forgets connections; a device that restarts",
    ),
    R.NETWORK_TIMEOUT: Meaning(
        "what was sent stayed unacknowledged for `server.kernel_timeout_s`",
        "Wi-Fi at the device, its power; a proxy whose address is not in `proxy.trusted`",
    ),
    R.NETWORK_LOST: Meaning(
        "the socket failed in another way: no route, host unreachable", "routes, interfaces"
    ),
    R.TLS_FAILED: Meaning(
        "the TLS handshake did not come about; `detail` says why",
        "the certificate's names and dates, what the device trusts, a device that speaks plain",
    ),
    R.PROXY_HEADER_INVALID: Meaning(
        "an address in `proxy.trusted` sent no valid PROXY header",
        "whether the proxy sends it, and only to this port; health checks that do not",
    ),
    R.HEARTBEAT_TIMEOUT: Meaning(
        "no sign of life for as long as [heartbeats](heartbeats.md) allow",
        "`last_byte_s`, RTT and unanswered pings; many at once: `mass_suspicion`, `loop_stalled`",
    ),
    R.HELLO_TIMEOUT: Meaning(
        "upgraded, but no hello within the profile's `hello_timeout_s`",
        "firmware that speaks another protocol at this path; a very slow network",
    ),
    R.HELLO_INVALID: Meaning(
        "the first message was no usable hello; `detail` says what was wrong",
        "the firmware's version, the audio version it asks for",
    ),
    R.PROTOCOL_ERROR: Meaning(
        "a rule of RFC 6455 was broken; `detail` says which",
        "a client library of one's own, a proxy that changes frames",
    ),
    R.INVALID_DATA: Meaning("a text message that is not UTF-8", "the client"),
    R.MESSAGE_TOO_BIG: Meaning(
        "a message beyond `wire.message_bytes` or `wire.message_fragments`",
        "the client, or the limit",
    ),
    R.MESSAGE_TIMEOUT: Meaning(
        "a message that an idle device had begun was not finished within `session.idle_after_s`",
        "the client; a network too slow for what it sends",
    ),
    R.FLOODING: Meaning(
        "more pings, or pongs nobody asked for, than `wire.control_frames_per_s`; more messages"
        " than `wire.messages_per_s` for `wire.flooding_after_s`",
        "the client",
    ),
    R.INBOX_OVERFLOW: Meaning(
        "more control messages than the handler takes wait in the inbox (`inbox.*`)",
        "what the handler waits for: it is too slow, or stuck",
    ),
    R.OUTBOX_OVERFLOW: Meaning(
        "more control messages than the device takes wait in the outbox (`outbox.*`)",
        "the device's network; a handler that sends without end",
    ),
    R.SLOW_READER: Meaning(
        "the device took nothing of what waited for it for `outbox.stuck_after_s`",
        "the device's network",
    ),
    R.REPLACED: Meaning(
        "the device connected anew while this connection still stood; `newer_claim` names it",
        "one now and then is normal; without end: two devices with one id",
    ),
    R.TOKEN_EXPIRED: Meaning(
        "its token ran out while it was connected (`auth.on_expiry`)",
        "how long tokens last; the device gets a new one at its next boot",
    ),
    R.HANDLER_CLOSED: Meaning("the handler called `session.close()`: normal", ""),
    R.HANDLER_FAILED: Meaning(
        "the handler raised an exception", "`handler_failed` in the log, with its traceback"
    ),
    R.HANDLER_TIMEOUT: Meaning(
        "a call of the handler took longer than `isolation.call_timeout_s`",
        "`handler_failed` in the log: `at` is where it waits ([isolation](isolation.md))",
    ),
    R.HANDLER_OVER_BUDGET: Meaning(
        "the handler had more tasks, timers or sends than one session may have (`isolation.*`)",
        "`handler_failed` in the log; `keepline leaks`",
    ),
    R.HANDLER_SUSPENDED: Meaning(
        "so many sessions of this handler's class failed that no more are begun for a while",
        "`handler_suspended` in the log; `keepline handlers`",
    ),
    R.OUT_OF_MEMORY: Meaning(
        "there was no memory for it; waiting audio and caches were given up",
        "memory of the process and of the handler: `keepline leaks`",
    ),
    R.SHED: Meaning(
        "it was idle, and the node was pressed for memory; it was told when to come back, where it"
        " understands that",
        "`keepline governor`; memory of the process and its limit",
    ),
    R.INTERNAL_ERROR: Meaning(
        "a fault of Keepline's own", "`admission_failed` and other errors in the log; report it"
    ),
    R.SERVER_SHUTDOWN: Meaning("the gateway leaves ([drain](drain.md))", ""),
    R.SERVER_RESTART: Meaning(
        "the gateway leaves, and this device comes back by itself ([drain](drain.md))", ""
    ),
    R.KICKED: Meaning("an operator ended it: `keepline kick`", ""),
    R.REVOKED: Meaning("an operator revoked the device: `keepline enrol revoke`", ""),
    R.UPSTREAM_CLOSED: Meaning(
        "the voice server hung up; the device gets its code, and `detail` has code and words",
        "",
    ),
    R.UPSTREAM_LOST: Meaning(
        "the voice server was lost in a conversation, and `relay.on_cut` is `close`",
        "`upstream_lost` in the log; the voice server's own log",
    ),
    R.UPSTREAM_REFUSED: Meaning(
        "the voice server refused the device after we had let it in",
        "tokens: who is let in here has to be let in there ([relay](relay.md))",
    ),
    R.ANSWERED: Meaning("a configuration request was answered: no device left", ""),
    R.BAD_REQUEST: Meaning("no HTTP, or headers that cannot be; `detail` says which", "the client"),
    R.UNAUTHORIZED: Meaning(
        "no token, a wrong one, one that has expired", "the token in the device's configuration"
    ),
    R.FORBIDDEN: Meaning(
        "an id that is none, or a device that may not connect",
        "`auth.device_ids`; whether it is enrolled or revoked",
    ),
    R.ORIGIN_REFUSED: Meaning(
        "a web page that is not among `auth.origins`", "the setting, if it is a page of yours"
    ),
    R.NOT_FOUND: Meaning("another path than the device's own", "the URL it was given"),
    R.METHOD_NOT_ALLOWED: Meaning(
        "a method that its path does not take: the configuration takes POST, an upgrade GET", ""
    ),
    R.HEAD_TIMEOUT: Meaning(
        "a request that was not whole within `hello_timeout_s`",
        "scanners do that; real devices: their network",
    ),
    R.BODY_TOO_LARGE: Meaning("a body beyond `wire.body_bytes`", "the client"),
    R.UPGRADE_REQUIRED: Meaning(
        "plain HTTP where a WebSocket is expected", "a proxy that does not pass `Upgrade` on"
    ),
    R.RATE_LIMITED: Meaning(
        "too many failures or connections from one device or address in a short time",
        "whom it comes from: `auth.*_failures`, `server.accepts_per_address_per_s`",
    ),
    R.ADDRESS_FULL: Meaning(
        "more connections from one address than `server.connections_per_address`",
        "a proxy that is not in `proxy.trusted`, or the limit",
    ),
    R.FLAPPING: Meaning(
        "a device, or its whole address, that connects and leaves without end",
        "`keepline bans list`; whether it crashes, and who else has its id"
        " ([hostile peers](hostile-peers.md))",
    ),
    R.KICK_WAR: Meaning(
        "two with one id have taken the device from each other; who holds it keeps it for a while",
        "`kick_war` in the log: a cloned id, or two that were flashed alike",
    ),
    R.HEAD_TOO_LARGE: Meaning(
        "a head beyond `wire.head_bytes` or `wire.head_lines`", "the client, large cookies"
    ),
    R.REFUSED_INTERNAL: Meaning(
        "the authenticator, the enrolment or Keepline failed",
        "`admission_failed`, `configuration_failed`, `handler_failed` in the log",
    ),
    R.AUTH_UNAVAILABLE: Meaning(
        "who judges devices could not be asked", "the server behind `auth.callback_url`"
    ),
    R.HANDLER_UNAVAILABLE: Meaning(
        "so many sessions of the handler failed that no more are begun for a while",
        "`handler_suspended` in the log; `keepline handlers`",
    ),
    R.UPSTREAM_UNAVAILABLE: Meaning(
        "no voice server could be asked, or it gave no usable configuration",
        "`keepline upstreams list`; `upstream_failed`, `configuration_upstream_failed` in the log",
    ),
    R.OVERLOADED: Meaning(
        "the node was pressed, or it would have had to wait too long to be judged",
        "`keepline governor`; a slow authenticator; how many come at once",
    ),
    R.FULL: Meaning(
        "no room: `server.max_connections` or `server.max_admissions`", "capacity; `/readyz`"
    ),
    R.DRAINING: Meaning("the gateway is leaving", ""),
}

_WHO = {
    Initiator.DEVICE: "the device",
    Initiator.NETWORK: "the network",
    Initiator.US: "we",
    Initiator.OPERATOR: "an operator",
    Initiator.UPSTREAM: "the upstream",
}
_ADVICE = {Advice.COME_BACK: "come back", Advice.STAY_AWAY: "stay away", None: "-"}


def table_of_endings() -> str:
    """Return every ending of an upgraded connection, as a Markdown table."""
    lines = [
        "| cause | ended by | code | advice | what happened | look at |",
        "|---|---|---|---|---|---|",
    ]
    for reason, (happened, look_at) in MEANINGS.items():
        if reason.status is None:
            lines.append(
                f"| `{reason.cause}` | {_WHO[reason.initiator]} | {reason.code or '-'} |"
                f" {_ADVICE[reason.advice]} | {happened} | {look_at or '-'} |"
            )
    return "\n".join(lines)


def table_of_refusals() -> str:
    """Return every answer in HTTP, as a Markdown table."""
    lines = ["| cause | status | advice | what happened | look at |", "|---|---|---|---|---|"]
    for reason, (happened, look_at) in MEANINGS.items():
        if reason.status is not None:
            lines.append(
                f"| `{reason.cause}` | {reason.status} | {_ADVICE[reason.advice]} |"
                f" {happened} | {look_at or '-'} |"
            )
    return "\n".join(lines)


PARTS = {"endings": table_of_endings, "refusals": table_of_refusals}


def renew(text: str) -> str:
    """Return `text` with every generated part made anew. Raises ValueError without markers."""
    for name, print_part in PARTS.items():
        text = renewed(text, name, print_part())
    return text


def main(arguments: list[str] | None = None, page: Path = PAGE) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run("python -m tools.endings_page", page, renew, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
