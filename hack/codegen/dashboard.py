"""The chart's Grafana dashboard: a table of questions, each with its queries."""

import json
from typing import Any, Final, NamedTuple

COLUMNS: Final = 24
"""The width in units of Grafana's grid."""
WIDTH: Final = 8
HEIGHT: Final = 7
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


class Panel(NamedTuple):
    """One graph."""

    title: str
    unit: str
    query: str
    legend: str


PANELS: Final = (
    Panel(
        "Oldest change without a verdict",
        "s",
        "max(wegent_operator_pending_seconds)",
        "oldest",
    ),
    Panel("Keys waiting", "short", "sum(wegent_operator_queue_depth)", "keys"),
    Panel(
        "From a change to its verdict, 99 %",
        "s",
        "histogram_quantile(0.99, sum by (le) (rate(wegent_operator_verdict_seconds_bucket[5m])))",
        "p99",
    ),
    Panel(
        "Status writes",
        "ops",
        "sum by (outcome) (rate(wegent_operator_writes_total[5m]))",
        "{{outcome}}",
    ),
    Panel(
        "Transitions of Ready",
        "ops",
        "sum by (reason) (rate(wegent_operator_transitions_total[5m]))",
        "{{reason}}",
    ),
    Panel(
        "Objects by reason of Ready",
        "short",
        "sum by (reason) (max by (kind, reason) (wegent_operator_objects))",
        "{{reason}}",
    ),
    Panel(
        "Dangling references",
        "short",
        "sum by (kind) (max by (kind, reason)"
        ' (wegent_operator_objects{reason=~"RefNotFound|RefNotPermitted"}))',
        "{{kind}}",
    ),
    Panel("Leaders", "short", "sum(wegent_operator_leading)", "leading"),
    Panel(
        "Corrected by resyncs",
        "ops",
        "sum by (kind) (rate(wegent_operator_resync_corrections_total[5m]))",
        "{{kind}}",
    ),
    Panel(
        "Tombstones",
        "ops",
        "sum by (outcome) (rate(wegent_operator_tombstones_total[5m]))",
        "{{outcome}}",
    ),
    Panel(
        "Steps of Tasks",
        "ops",
        "sum by (after) (rate(wegent_operator_task_phases_total[5m]))",
        "{{after}}",
    ),
    Panel(
        "Requests by status",
        "reqps",
        "sum by (status) (rate(wegent_api_requests_total[5m]))",
        "{{status}}",
    ),
    Panel(
        "Time to answer, 99 %",
        "s",
        "histogram_quantile(0.99, sum by (le, method)"
        " (rate(wegent_api_request_duration_seconds_bucket[5m])))",
        "{{method}}",
    ),
    Panel(
        "The API server's time to answer, 99 %",
        "s",
        "histogram_quantile(0.99, sum by (le, method)"
        " (rate(wegent_api_upstream_duration_seconds_bucket[5m])))",
        "{{method}}",
    ),
    Panel("Logins", "ops", "sum by (outcome) (rate(wegent_api_logins_total[5m]))", "{{outcome}}"),
    Panel("Requests being answered", "short", "sum(wegent_api_requests_in_flight)", "requests"),
    Panel("Watches", "short", "sum(wegent_api_watches)", "watches"),
)


def text() -> str:
    """Return the dashboard as Grafana reads it."""
    dashboard = {
        "title": "Wegent",
        "uid": "wegent",
        "tags": ["wegent"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number * WIDTH, COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": DATASOURCE,
        "gridPos": {"x": column, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": "A",
                "datasource": DATASOURCE,
                "expr": panel.query,
                "legendFormat": panel.legend,
            }
        ],
    }
