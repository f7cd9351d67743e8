"""Who is given a token at the configuration address, and whether that can be told."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from keepline.app.doctor.diagnosis import Diagnosis, ok, problem, warning
from keepline.errors import StartError
from keepline.gateway.auth.kept_key import keeps_key
from keepline.gateway.auth.making import chosen_mode, make_issuer
from keepline.gateway.enrolment.allow_list import read_allow_list
from keepline.gateway.enrolment.making import check_policy, chosen_policy
from keepline.gateway.sockets import only_this_machine

if TYPE_CHECKING:
    from keepline.settings import Settings

CHECK: Final = "enrolment"
PORTS: Final = {"http": 80, "https": 443}


def enrolment(settings: Settings, *, judges: bool) -> Diagnosis:
    """Return whether devices are told where to connect, and no others than should be.

    `judges` says that the settings say who judges devices, and not code of somebody's own.
    """
    has_issuer = judges and _issues(settings)
    name = chosen_policy(settings, has_issuer=has_issuer)
    if name == "off":
        return ok(CHECK, "off: devices are told elsewhere where to connect")
    path = settings.enrolment.devices
    try:
        check_policy(name, settings, has_issuer=has_issuer)
        listed = None if path is None else len(read_allow_list(path))
    except StartError as error:
        return problem(CHECK, error.problem, error.hint)
    if name == "allow_list" and not listed:
        return problem(
            CHECK,
            f"allow_list, and {path} names no device: every one is refused",
            "add a [[device]] with its device_id for each (docs/enrolment.md), or set"
            " enrolment.policy to activation",
        )
    return _unanswered(settings, name) or _open_to_all(settings, name) or _place(settings, name)


def _issues(settings: Settings) -> bool:
    try:
        return keeps_key(settings) or make_issuer(settings) is not None
    except StartError:  # which is told of the token
        return True


def _unanswered(settings: Settings, name: str) -> Diagnosis | None:
    """Return that who is asked about each device does not even take a connection."""
    given = settings.enrolment
    asked = {
        "callback": (given.callback_url, given.callback_timeout_s),
        "upstream": (given.upstream_url, given.upstream_timeout_s),
    }
    url, timeout_s = asked.get(name, (None, 0.0))
    if url is None:
        return None
    parts = urlsplit(url)
    address = (parts.hostname, parts.port or PORTS[parts.scheme])
    try:
        socket.create_connection(address, timeout_s).close()
    except (OSError, UnicodeError) as error:  # the latter of what no name can be
        why = getattr(error, "strerror", None) or error
        return problem(
            CHECK,
            f"{name}, and {url} cannot be reached ({why}): each device that asks is told 503",
            f"start that server, or set enrolment.{name}_url to where it is",
        )
    return None


def _open_to_all(settings: Settings, name: str) -> Diagnosis | None:
    is_a_secret = chosen_mode(settings.auth) != "none"
    if name != "open" or only_this_machine(settings) or not is_a_secret:
        return None
    return warning(
        CHECK,
        f"open: everybody who reaches {settings.server.host}:{settings.server.port} is given a"
        " token",
        "set enrolment.policy to activation, or leave --insecure out, unless that is meant",
    )


def _place(settings: Settings, name: str) -> Diagnosis:
    """Return whether devices are told the right place."""
    if settings.proxy.header != "none" and settings.enrolment.public_url is None:
        return warning(
            CHECK,
            f"{name}: devices are told port {settings.server.port}, as a proxy's own is not known",
            "set enrolment.public_url to what they reach it by, as wss://HOST/xiaozhi/v1/",
        )
    return ok(CHECK, f"{name}: {_GIVEN[name]}")


_GIVEN: Final = {
    "open": "everybody on this machine is given a token",
    "activation": "who was approved is given a token (`keepline enrol`)",
    "allow_list": "who was approved and is in the file is given a token",
    "callback": "your server says who is given a token, and can be reached",
    "upstream": "the voice server says who is told where to connect, and can be reached",
}
