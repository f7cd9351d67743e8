"""Keepline keeps fleets of ESP32 voice devices connected.

What is named here, in `keepline.messages` and in `keepline.testing` is for applications; other
modules may change from one version to the next. Each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from keepline.version import __version__ as __version__

if TYPE_CHECKING:
    from keepline.app.gateway import Gateway as Gateway
    from keepline.errors import BudgetError as BudgetError
    from keepline.errors import HubDownError as HubDownError
    from keepline.errors import KeeplineError as KeeplineError
    from keepline.errors import NoToolsError as NoToolsError
    from keepline.errors import RefusedError as RefusedError
    from keepline.errors import ReplacedError as ReplacedError
    from keepline.errors import SessionEndedError as SessionEndedError
    from keepline.errors import SettingsError as SettingsError
    from keepline.errors import StartError as StartError
    from keepline.errors import ToolError as ToolError
    from keepline.errors import ToolTimeoutError as ToolTimeoutError
    from keepline.gateway.auth.contract import Authenticator as Authenticator
    from keepline.gateway.handler import Handler as Handler
    from keepline.gateway.identity import Identity as Identity
    from keepline.gateway.isolation.parting import Gone as Gone
    from keepline.gateway.session import Session as Session
    from keepline.gateway.speech import Speech as Speech
    from keepline.gateway.threads import ThreadedSession as ThreadedSession
    from keepline.gateway.timers import Timer as Timer
    from keepline.gateway.toolbox import Tool as Tool
    from keepline.gateway.toolbox import ToolResult as ToolResult
    from keepline.hub.port import Outcome as Outcome
    from keepline.monitor.alerts.alert import Alert as Alert
    from keepline.monitor.alerts.alert import Notice as Notice
    from keepline.reasons import CloseReason as CloseReason
    from keepline.settings.settings import Settings as Settings
    from keepline.wire.handshake import Request as Request

_HOMES = {
    "Alert": "keepline.monitor.alerts.alert",
    "Authenticator": "keepline.gateway.auth.contract",
    "BudgetError": "keepline.errors",
    "CloseReason": "keepline.reasons",
    "Gateway": "keepline.app.gateway",
    "Gone": "keepline.gateway.isolation.parting",
    "Handler": "keepline.gateway.handler",
    "HubDownError": "keepline.errors",
    "Identity": "keepline.gateway.identity",
    "KeeplineError": "keepline.errors",
    "NoToolsError": "keepline.errors",
    "Notice": "keepline.monitor.alerts.alert",
    "Outcome": "keepline.hub.port",
    "RefusedError": "keepline.errors",
    "ReplacedError": "keepline.errors",
    "Request": "keepline.wire.handshake",
    "Session": "keepline.gateway.session",
    "SessionEndedError": "keepline.errors",
    "Settings": "keepline.settings.settings",
    "SettingsError": "keepline.errors",
    "Speech": "keepline.gateway.speech",
    "StartError": "keepline.errors",
    "ThreadedSession": "keepline.gateway.threads",
    "Timer": "keepline.gateway.timers",
    "Tool": "keepline.gateway.toolbox",
    "ToolError": "keepline.errors",
    "ToolResult": "keepline.gateway.toolbox",
    "ToolTimeoutError": "keepline.errors",
}

__all__ = [  # noqa: PLE0604 (names, one and all)
    "__version__",
    *_HOMES,
]


if not TYPE_CHECKING:  # to a type checker it would say that every name is there

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
