"""Prints the governor's signals and actions into docs/governor.md.

python -m tools.governor_page [--check]
"""

from __future__ import annotations

from pathlib import Path

from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.signals import Signal
from keepline.settings.governor import Governor
from tools.generated import renewed, run

_MIB = 1 << 20

PAGE = Path(__file__).parents[1] / "docs" / "governor.md"

SEEN = {
    Signal.LAG: ("by how much the ticks of the last two seconds were late, p95", "lag_{}_s", "s"),
    Signal.MEMORY: (
        "resident memory of this process, of the limit of its control group or of the machine",
        "memory_{}_share",
        "",
    ),
    Signal.QUEUED: (
        "bytes that wait for handlers, for devices, for the hub's file and for the log",
        "queued_{}_bytes",
        "MiB",
    ),
    Signal.STANDING: (
        "for how long more than 32 have been waiting to be judged, without a break",
        "standing_{}_s",
        "s",
    ),
}

DONE = {
    Action.SHRINK: "quiet devices turn idle sooner, down to a tenth of `session.idle_after_s`, and"
    " give back what only a busy session needs; with all its strength, the largest queues lose"
    " their audio, until half of theirs is gone, four times a second. No message is given up",
    Action.SLOW: "every second look of the gateway at itself is left out; what it has"
    " [learned](tuning.md) is told and written down every four minutes, not every one; the hub"
    " looks for what is to be forgotten every 40 s, not every 10",
    Action.HOLD: "of those that were not here lately: who comes back at a fixed pace is held for a"
    " random while, up to `governor.hold_s`; who backs off is refused and told when; who comes when"
    " somebody speaks (stock firmware, browsers) passes",
    Action.SHED: "idle devices are sent away, up to 1 % of all in a second, and told when to come"
    " back if they understand it; not those that would be back at once",
    Action.RESUMES_ONLY: "only who is here, or was within `hub.resume_window_s`, is let in",
    Action.NONE: "nobody is let in, and `/readyz` says `overloaded`",
}


def signal_table() -> str:
    """Return what presses a node, and from where to where."""
    settings = Governor()
    lines = ["| signal | what is looked at | 0 up to | 1 from |", "|---|---|---|---|"]
    for signal, (what, name, unit) in SEEN.items():
        scale = _MIB if unit == "MiB" else 1
        low, high = (getattr(settings, name.format(end)) / scale for end in ("lo", "hi"))
        ends = " | ".join(f"{end:g} {unit}".strip() for end in (low, high))
        lines.append(f"| `{signal}` | {what} | {ends} |")
    return "\n".join(lines)


def action_table() -> str:
    """Return what is done from which pressure on, and because of which signals."""
    lines = [
        "| action | from | in full from | answers to | what is done |",
        "|---|---|---|---|---|",
    ]
    for action, what in DONE.items():
        signals = ", ".join(f"`{signal}`" for signal in action.relieves)
        lines.append(
            f"| `{action.word}` | {action.low:.2f} | {action.high:.2f} | {signals} | {what} |"
        )
    return "\n".join(lines)


PARTS = {"signals": signal_table, "actions": action_table}


def renew(text: str) -> str:
    """Return `text` with both tables as the code has them. Raises ValueError without markers."""
    for part, content in PARTS.items():
        text = renewed(text, part, content())
    return text


def main(arguments: list[str] | None = None, page: Path = PAGE) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run("python -m tools.governor_page", page, renew, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
