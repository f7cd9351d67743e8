"""What is known of a device, in sentences for an operator."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

_WHO: Final = {
    "device": "the device ended it",
    "network": "the network lost it",
    "us": "we ended it",
    "operator": "an operator ended it",
    "upstream": "the upstream behind us ended it",
}
_ADVICE: Final = {
    "come_back": "it may come back at once",
    "stay_away": "it should not come back as it is: something has to change first",
    None: "it comes back when it likes",
}
_NORMAL: Final = {
    "device_closed": "This is how stock firmware hangs up: the normal end of a conversation.",
    "device_said_close": "A closing handshake: the normal end.",
    "handler_closed": "The application ended it: the normal end.",
}


def sentences_about(view: dict[str, Any]) -> list[str]:
    """Return what `GET /api/devices/{id}` has answered, the most important first."""
    told = _present(view)
    if view["totals"] is not None:
        told.append(_total(view["totals"]))
    if view["store"] == "away":
        told.append("Its history is not known now: the store cannot be asked.")
    return told


def _present(view: dict[str, Any]) -> list[str]:
    device_id, session, endings = view["device_id"], view["session"], view["endings"]
    if session is not None:
        where = ["It is still in the process that leaves."] if session.get("former") else []
        return [_connected(device_id, session), *where, *_held_back(session)]
    if endings:
        return _ended(device_id, endings[0])
    if not view["refusals"]:
        return [f"{device_id} is not connected, and its last endings are forgotten."]
    latest = view["refusals"][0]
    cause = " ".join(str(each) for each in (latest["status"], latest["cause"]) if each)
    detail = f": {latest['detail']}" if latest["detail"] else ""
    refused = (
        f"{device_id} has not been connected as far as is remembered; requests that name it were"
        f" refused, {lasted(latest['ago_s'])} ago with {cause}{detail}."
    )
    return [refused]


def _total(totals: dict[str, Any]) -> str:
    since = datetime.fromisoformat(totals["first_at"]).strftime("%Y-%m-%d")
    count, resumed = totals["sessions"], totals["resumed"]
    return (
        f"Since {since} it has had {count} {'session' if count == 1 else 'sessions'} that ended,"
        f" {resumed} of them resumed, connected for {lasted(totals['connected_s'])} in all,"
        f" {_heart(totals)}."
    )


def lasted(seconds: float) -> str:
    """Return a duration as one says it, in its two largest units: `42 s`, `3 min`, `2 d 4 h`."""
    whole = int(seconds)
    if whole < 60:  # noqa: PLR2004 (this and the next: units of time)
        return f"{whole} s"
    minutes, hours, days = whole // 60 % 60, whole // 3_600 % 24, whole // 86_400
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def in_ms(seconds: float) -> str:
    """Return a round trip in milliseconds, with a decimal where it is short."""
    milliseconds = seconds * 1_000
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"  # noqa: PLR2004


def _held_back(session: dict[str, Any]) -> list[str]:
    seconds = session.get("held_back_s")
    if not seconds:
        return []
    more = "more messages than `wire.messages_per_s` allows"
    return [f"It sends {more}, for {lasted(seconds)} now, and is read less."]


def _connected(device_id: str, session: dict[str, Any]) -> str:
    state_s = session.get("state_s")  # the process that leaves may be too old to tell
    so_far = "" if state_s is None else f" for {lasted(state_s)}"
    return (
        f"{device_id} has been connected for {lasted(session['age_s'])}, from"
        f" {session['address'] or 'an unknown address'}: {session['state']}{so_far},"
        f" {session['verdict']}; last frame {lasted(session['last_frame_s'])} ago, last byte"
        f" {lasted(session['last_byte_s'])} ago, {_heart(session)}"
        f" (session {session['session_id']}, claim {session['claim']})."
    )


def _ended(device_id: str, ending: dict[str, Any]) -> list[str]:
    at = datetime.fromisoformat(ending["at"]).strftime("%Y-%m-%d %H:%M:%S UTC")
    detail = f" ({ending['detail']})" if ending["detail"] else ""
    code = f", close code {ending['code']}" if ending["code"] else ""
    ended = (
        f"{device_id} ended {lasted(ending['ago_s'])} ago, at {at}: {ending['cause']}{detail},"
        f" {_WHO[ending['initiator']]}{code}."
    )
    condition = (
        f"It was {ending['state']} and {lasted(ending['age_s'])} old; last frame"
        f" {lasted(ending['last_frame_s'])} before, last byte {lasted(ending['last_byte_s'])}"
        f" before, {_heart(ending)}."
    )
    told = [ended, condition]
    if ending["newer_claim"] is not None:
        told.append(
            f"Claim {ending['newer_claim']} had taken the device over from claim"
            f" {ending['claim']} by then."
        )
    told.append(_NORMAL.get(ending["cause"], f"For the device: {_ADVICE[ending['advice']]}."))
    return told


def _heart(known: dict[str, Any]) -> str:
    rtt_s, pings, failures = known["average_rtt_s"], known["pings"], known["ping_failures"]
    if not pings:
        return "never pinged"
    rtt = "no pong so far" if rtt_s is None else f"RTT {in_ms(rtt_s)}"
    return f"{rtt}, {pings} {'ping' if pings == 1 else 'pings'}, {failures} unanswered"
