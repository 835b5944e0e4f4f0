"""Dashboard and alert rules name what is there, and the reference lists all of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.docs.conftest import DOCS, ROOT

from helperhub.telemetry.metrics import METRICS

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "helperhub.json"
#: Series by name, with the labels that may be used of each.
SERIES = {
    name: {*described.labels, "le", "instance", "job"}
    for described in METRICS
    for name in (
        [f"{described.name}_{part}" for part in ("bucket", "count", "sum")]
        if described.kind == "histogram"
        else [described.name]
    )
}


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize(("where", "expression"), [*expressions()])
def test_every_series_that_is_asked_for_exists_with_its_labels(where: str, expression: str) -> None:
    names = re.findall(r"\bhelperhub_\w+", expression)

    assert names, where
    assert set(names) <= SERIES.keys()
    for name, chosen in re.findall(r"\b(helperhub_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", chosen)) <= SERIES[name]
    assert expression.count("(") == expression.count(")")


def test_dashboard_shows_every_metric_but_what_it_says_of_itself() -> None:
    text = DASHBOARD.read_text()

    missing = {described.name for described in METRICS if described.name not in text}
    assert missing == {"helperhub_attempts_started_total", "helperhub_queues_left_out"}


def test_dashboards_panels_have_places_and_ids_of_their_own() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]

    for values in ([panel["id"] for panel in panels], [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]):
        assert len(values) == len(set(values))


def test_alerts_have_a_name_a_severity_and_a_summary() -> None:
    found = rules()

    assert len({rule["alert"] for rule in found}) == len(found)
    for rule in found:
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True)


def test_page_has_every_metric_with_type_labels_and_help() -> None:
    page = (Path(DOCS) / "reference" / "metrics.md").read_text()

    rows = re.findall(r"^\| `(helperhub_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", page, re.MULTILINE)

    labels = [", ".join(f"`{label}`" for label in described.labels) for described in METRICS]
    assert rows == [(one.name, one.kind, own, one.help) for one, own in zip(METRICS, labels, strict=True)]
