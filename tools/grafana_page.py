"""Prints the dashboard for Grafana into deploy/grafana/keepline.json.

python -m tools.grafana_page [--check]
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.generated import run
from tools.grafana_panels import ROWS

if TYPE_CHECKING:
    from tools.grafana_panel import Panel

PAGE: Final = Path(__file__).parents[1] / "deploy" / "grafana" / "keepline.json"

COLUMNS: Final = 24  # of Grafana's grid
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN: Final = 'job=~"$job", instance=~"$instance"'
"""What `@` in an expression stands for."""


def dashboard() -> dict[str, Any]:
    """Return the whole document, as Grafana imports it."""
    return {
        "title": "Keepline",
        "uid": "keepline",
        "description": (
            "A fleet of devices, and the gateways that hold it. Made by tools/grafana_page.py."
        ),
        "tags": ["keepline"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "templating": {"list": [_data_source(), _chosen("job"), _chosen("instance", of="job")]},
        "annotations": {"list": [_restarts()]},
        "panels": _panels(),
    }


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    y = 0
    for title, is_open, row in ROWS:
        inside, height = _laid_out(row, y + 1, first_id=len(panels) + sum(map(_held, panels)) + 2)
        panels.append(
            {
                "type": "row",
                "title": title,
                "id": inside[0]["id"] - 1,
                "collapsed": not is_open,
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
                "panels": [] if is_open else inside,
            }
        )
        if is_open:
            panels += inside
        y += 1 + (height if is_open else 0)
    return panels


def _held(panel: dict[str, Any]) -> int:
    return len(panel.get("panels", ()))


def _laid_out(row: tuple[Panel, ...], y: int, first_id: int) -> tuple[list[dict[str, Any]], int]:
    """Return the panels side by side, and how high they are in all."""
    made, x, height, top = [], 0, 0, y
    for number, panel in enumerate(row, start=first_id):
        if x + panel.width > COLUMNS:
            x, top, height = 0, top + height, 0
        made.append(_panel(panel, number, {"h": panel.height, "w": panel.width, "x": x, "y": top}))
        x += panel.width
        height = max(height, panel.height)
    return made, top + height - y


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "custom": {}}
    if panel.most is not None:
        defaults |= {"min": 0, "max": panel.most}
    if panel.steps:
        defaults |= {"color": {"mode": "thresholds"}, "thresholds": _thresholds(panel.steps)}
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 30 if panel.is_stacked else 8,
            "lineWidth": 1,
            "showPoints": "never",
            "spanNulls": False,
            "axisSoftMin": 0,
            "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
        }
        if panel.steps:
            defaults["color"] = {"mode": "palette-classic"}
            defaults["custom"]["thresholdsStyle"] = {"mode": "dashed"}
    return {
        "type": panel.kind,
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        "targets": [_target(panel, *each) for each in zip("ABCDEF", panel.lines, strict=False)],
    }


def _options(panel: Panel) -> dict[str, Any]:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.kind == "stat":
        return {
            "reduceOptions": reduced,
            "colorMode": "value",
            "graphMode": "area",
            "textMode": "auto",
            "justifyMode": "center",
        }
    if panel.kind == "heatmap":
        return {
            "calculate": False,
            "cellGap": 1,
            "yAxis": {"unit": panel.unit, "axisPlacement": "left"},
            "color": {"mode": "scheme", "scheme": "Blues", "steps": 64, "exponent": 0.5},
            "tooltip": {"mode": "single", "yHistogram": True},
            "legend": {"show": True},
        }
    if panel.kind == "state-timeline":
        return {"mergeValues": True, "showValue": "never", "rowHeight": 0.8}
    return {
        "legend": {
            "displayMode": "table" if len(panel.lines) > 1 or panel.is_long else "list",
            "placement": "right" if panel.is_long else "bottom",
            "calcs": ["lastNotNull", "max"] if panel.is_long else [],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _target(panel: Panel, letter: str, line: tuple[str, str]) -> dict[str, Any]:
    expression, legend = line
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": expression.replace("@", CHOSEN),
        "legendFormat": legend,
        "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        "range": True,
        "instant": False,
    }


def _thresholds(steps: tuple[tuple[float | None, str], ...]) -> dict[str, Any]:
    return {
        "mode": "absolute",
        "steps": [{"value": value, "color": colour} for value, colour in steps],
    }


def _data_source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
    }


def _chosen(label: str, of: str | None = None) -> dict[str, Any]:
    chosen = f'{{{of}=~"${of}"}}' if of else ""
    query = f"label_values(keepline_build_info{chosen}, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": "A"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
    }


def _restarts() -> dict[str, Any]:
    return {
        "name": "Restarts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "orange",
        "expr": f"changes(process_start_time_seconds{{{CHOSEN}}}[$__rate_interval]) > 0",
        "titleFormat": "{{instance}} was restarted",
    }


def renew(_text: str) -> str:
    """Return the document as text, the same for the same panels."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None, page: Path = PAGE) -> int:
    """Renew the file, or with --check say whether it is stale (1) or not (0)."""
    return run("python -m tools.grafana_page", page, renew, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
