"""The Grafana dashboard asks only for metrics and labels that the endpoint has, and shows all of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric

from taxi_assets.serving.endpoint.deployment_metrics import REGISTRY  # and so all metrics

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "serving.json"
FUNCTIONS = {"sum", "min", "max", "by", "rate", "histogram_quantile", "label_values"}
LE = "le"  # of a histogram's buckets


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def queries(content: dict[str, Any]) -> Iterator[str]:
    for panel in content["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (each["definition"] for each in content["templating"]["list"] if "definition" in each)


def metric_labels() -> dict[str, set[str]]:
    """Labels by the name of each sample that the endpoint can export."""
    found = {}
    for collector in REGISTRY._collector_to_names:
        for described in collector.describe():  # type: ignore[attr-defined]
            labels = set(getattr(collector, "_labelnames", ()))
            found |= {name: labels | {LE} for name in sample_names(described)}
    return found


def sample_names(described: Metric) -> list[str]:
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    return [f"{described.name}{suffix}" for suffix in suffixes[described.type]]


def unknown_names(query: str) -> set[str]:
    """Names in the query that are no metric, label or function."""
    plain = re.sub(r'"[^"]*"|\[[^\]]*\]', "", query)
    known = metric_labels()
    used = [name for name in re.findall(r"[a-zA-Z_][a-zA-Z0-9_]*", plain) if name not in FUNCTIONS]
    of_used = [known[name] for name in used if name in known]
    labels = set.intersection(*of_used) if of_used else set()
    return {name for name in used if name not in known and name not in labels}


def test_every_query_asks_for_metrics_and_labels_that_exist() -> None:
    assert {query: found for query in queries(dashboard()) if (found := unknown_names(query))} == {}


@pytest.mark.parametrize(
    "query",
    [
        "sum(rate(taxi_request_total[1m]))",
        "sum by (version) (rate(taxi_requests_total[1m]))",
        'taxi_feature_lowest{status="200"}',
        "histogram_quantile(0.5, rate(taxi_prediction_seconds[1m]))",
    ],
)
def test_an_unknown_metric_or_label_is_found(query: str) -> None:
    assert unknown_names(query)


def test_every_metric_is_shown() -> None:
    text = " ".join(queries(dashboard()))
    names = {name.removesuffix("_sum").removesuffix("_count").removesuffix("_bucket") for name in metric_labels()}
    assert {name for name in names if name not in text} == set()


def test_panels_have_a_title_and_say_what_they_show() -> None:
    content = dashboard()
    assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])
    assert all(panel["title"] and panel["description"].endswith(".") for panel in content["panels"])
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in content["panels"]}
    assert len(places) == len(content["panels"])


def test_the_data_source_is_chosen_in_grafana() -> None:
    assert "http" not in DASHBOARD.read_text()
    assert dashboard()["templating"]["list"][0]["type"] == "datasource"
