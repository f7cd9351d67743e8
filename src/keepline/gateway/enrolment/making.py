"""From the settings to the endpoint, its policy and its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.errors import StartError
from keepline.gateway.auth.making import chosen_mode
from keepline.gateway.enrolment.allow_list import AllowList
from keepline.gateway.enrolment.endpoint import Enrolment
from keepline.gateway.enrolment.ledger import Ledger, Memory
from keepline.gateway.enrolment.ledger_file import LedgerFile
from keepline.gateway.enrolment.policies import Approval, Open
from keepline.gateway.enrolment.waiting import Waiting
from keepline.gateway.sockets import only_this_machine

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from concurrent.futures import Executor

    from keepline.clock import Clock
    from keepline.gateway.auth import TokenIssuer
    from keepline.gateway.enrolment.forwarding import Forwarding
    from keepline.gateway.enrolment.policies import Policy
    from keepline.log import Log
    from keepline.monitor.metrics import Counters
    from keepline.settings import Settings
    from keepline.settings.enrolment import Enrolment as EnrolmentSettings

LEDGER_FILE = "enrolment.db"


def make_ledger(
    settings: Settings, loop: asyncio.AbstractEventLoop, executor: Executor | None
) -> Ledger:
    """Return who is enrolled; to be opened before devices come."""
    path = settings.data_dir
    store = Memory() if path is None else LedgerFile(path / LEDGER_FILE)
    return Ledger(store, loop, executor)


def make_enrolment(
    settings: Settings,
    *,
    clock: Clock,
    log: Log,
    counters: Counters,
    ledger: Ledger,
    issuer: TokenIssuer | None,
    executor: Executor | None,
    draw: Callable[[int], bytes],
) -> Enrolment:
    """Return the endpoint; `draw` returns that many random bytes.

    Raises StartError for a policy that cannot be followed, or a file of devices that cannot be
    read.
    """
    enrolment = settings.enrolment
    devices = AllowList(enrolment.devices, log, executor)
    name = chosen_policy(settings, has_issuer=issuer is not None)
    check_policy(name, settings, has_issuer=issuer is not None)
    policy = _policy(name, settings, devices, ledger=ledger, clock=clock, log=log)
    waiting = Waiting(
        draw,
        life_s=enrolment.code_life_s,
        most=enrolment.max_pending,
        most_per_address=enrolment.pending_per_address,
    )
    return Enrolment(
        settings,
        clock=clock,
        log=log,
        counters=counters,
        ledger=ledger,
        waiting=waiting,
        devices=devices,
        policy=policy,
        # Where nobody is judged here, tokens are the voice server's business.
        issuer=None if name == "upstream" and chosen_mode(settings.auth) == "none" else issuer,
        forwarding=_forwarding(enrolment, clock, log) if name == "upstream" else None,
    )


def _forwarding(settings: EnrolmentSettings, clock: Clock, log: Log) -> Forwarding:
    # Imported where it is needed: its client takes a while.
    from keepline.gateway.enrolment.forwarding import Forwarding  # noqa: PLC0415

    return Forwarding(settings, clock, log)


def chosen_policy(settings: Settings, *, has_issuer: bool) -> str:
    """Return the policy, with `auto` made up."""
    policy = settings.enrolment.policy
    if policy != "auto":
        return policy
    if settings.enrolment.upstream_url is not None:
        return "upstream"
    if not has_issuer:
        return "off"
    nobody_else = only_this_machine(settings) or settings.auth.insecure
    return "open" if nobody_else else "activation"


def check_policy(name: str, settings: Settings, *, has_issuer: bool) -> None:
    """Raise StartError for a policy that cannot be followed."""
    if name in {"off", "upstream", "callback"}:
        return
    if not has_issuer:
        raise StartError(
            f"enrolment.policy is {name}, and this gateway issues no tokens in auth.mode"
            f" {settings.auth.mode}",
            "set enrolment.policy to off, or auth.mode to one that issues them",
        )
    if name == "open" and not settings.auth.insecure and not only_this_machine(settings):
        raise StartError(
            f"enrolment.policy is open, and {settings.server.host} can be reached by everybody",
            "set enrolment.policy to activation, or say --insecure if every one of them may have"
            " a token",
        )


def _policy(
    name: str,
    settings: Settings,
    devices: AllowList,
    *,
    ledger: Ledger,
    clock: Clock,
    log: Log,
) -> Policy | None:
    if name in {"off", "upstream"}:
        return None
    if name == "callback":
        # Imported where it is needed: its client takes a while.
        from keepline.gateway.enrolment.callback import Callback  # noqa: PLC0415

        return Callback(settings.enrolment, ledger, clock, log)
    if name == "open":
        return Open(ledger, insecure=settings.auth.insecure)
    return Approval(ledger, devices, listed_only=name == "allow_list")
