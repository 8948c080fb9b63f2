"""The dashboard and the alert rules ask for metrics and labels that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import proxy
from proxy.telemetry.series import DIRECTIONS, RELOADS, RETRY_REASONS, STATUSES, STRIPPED
from tests.unit.admin.serving import Counts, serving

DEPLOY = Path(proxy.__file__).parents[1] / "deploy"
#: What the scrape adds, or PromQL itself needs.
OF_PROMETHEUS = {"job", "instance", "le"}
VALUES = {
    "status": STATUSES, "reason": (*STRIPPED, *RETRY_REASONS), "result": RELOADS, "direction": DIRECTIONS,
    "state": ("idle", "active", "serving", "stalled"),
}  # fmt: skip


def dashboard() -> Any:
    return json.loads((DEPLOY / "grafana" / "onehop.json").read_text("utf-8"))


def queries() -> Iterator[tuple[str, str]]:
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    rules = (DEPLOY / "prometheus" / "alerts.yaml").read_text("utf-8")
    for rule in rules.split("- alert: ")[1:]:
        found = re.search(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", rule)
        assert found is not None, rule
        yield rule.split()[0], found[1] or found[2]


def known_labels() -> dict[str, set[str]]:
    """The labels of every sample that an instance gives, by its name."""
    page = (DEPLOY.parent / "docs" / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(onehop_\w+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE)
    found: dict[str, set[str]] = {}
    for name, kind, labels in rows:
        suffixes = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        found |= {name + suffix: set(re.findall(r"`(\w+)`", labels)) for suffix in suffixes}
    return found


def test_every_query_asks_for_metrics_and_labels_that_there_are() -> None:
    known = known_labels()
    for title, query in queries():
        names = re.findall(r"\bonehop_\w+", query)
        assert names or "up{" in query, f"{title}: asks for nothing of ours"
        labels = OF_PROMETHEUS.union(*(known[name] for name in names))  # a KeyError names the one that is none
        for selected, value in re.findall(r'(\w+)(?:=~|!=|=)"([^"]*)"', query):
            assert selected in labels, (title, selected)
            if selected in VALUES:
                assert any(re.fullmatch(value, one) for one in VALUES[selected]), (title, value)
        for grouped in re.findall(r"by \(([^)]*)\)", query):
            assert set(grouped.replace(" ", "").split(",")) <= labels, (title, grouped)


async def test_the_page_names_the_labels_that_a_scrape_has() -> None:
    known = known_labels()
    async with serving(Counts()) as admin:
        found = await admin.samples()
    for name, labels in found:
        assert {label for label, _ in labels} - {"le"} == known[name], name


@pytest.mark.parametrize("title", ["Requests by route", "Errors by code", "Healthy origins", "Fields stripped"])
def test_the_dashboard_shows_what_one_asks_first(title: str) -> None:
    panels = dashboard()["panels"]
    assert title in [panel["title"] for panel in panels]
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_metric_stands_in_a_panel() -> None:
    from proxy.admin.families import FAMILIES

    asked = " ".join(query for _, query in queries())
    assert [name for name in FAMILIES if f"onehop_{name}" not in asked and name != "build_info"] == []
