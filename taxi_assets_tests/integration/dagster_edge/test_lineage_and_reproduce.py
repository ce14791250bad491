"""`taxi reproduce` rebuilds a version exactly, and `taxi lineage` shows it from files to Bento."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from challenger_models import OracleModel, register
from platform_harness import MARCH, PlatformHarness

from taxi_assets import cli
from taxi_assets.defs.check_results import check_result_reader
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring import reproduce as rebuilding
from taxi_assets.monitoring.lineage import trace_lineage
from taxi_assets.monitoring.reproduce import Reproduction, reproduce
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client


@pytest.fixture
def first(platform: PlatformHarness) -> int:
    """The platform's first version."""
    run = platform.instance.get_runs(dg.RunsFilter(job_name="train_month"), ascending=True)[0]
    return int(platform.metadata(run, "duration_model")["version"].value)  # type: ignore[arg-type]


def differing(found: Reproduction) -> set[str]:
    return {finding.name for finding in found.compared_values if not finding.is_same}


@pytest.mark.slow
def test_version_is_rebuilt_exactly_after_later_publications(platform: PlatformHarness, first: int) -> None:
    before = platform.warehouse.snapshot()
    with platform.warehouse.publishing("a month is published anew, without half of its trips") as connection:
        connection.execute("DELETE FROM kept_trips WHERE month = DATE '2023-01-01' AND source_row % 2 = 0")
        for raw_table in raw_tables(connection):
            connection.execute(f"DELETE FROM {raw_table} WHERE month = DATE '2023-03-01' AND rowid % 2 = 0")
    versions = len(client(platform.settings).search_model_versions(""))
    try:
        found = reproduce(platform.settings, platform.warehouse, first)
    finally:
        restore(platform, before)
    assert found.is_same, found
    assert {finding.name for finding in found.compared_values} >= {"data digest", "training trips"}
    assert {finding.name for finding in found.compared_values} >= {
        f"{scope}/duration_model/{measure}"
        for scope in ("1_to_60_minutes", "all")
        for measure in ("rmse", "mae", "bias")
    }
    assert len(client(platform.settings).search_model_versions("")) == versions


def raw_tables(connection: Any) -> list[str]:
    """The tables of the published months' raw rows."""
    return [name for (name,) in connection.execute("SELECT DISTINCT raw_table FROM published_months").fetchall()]


def restore(platform: PlatformHarness, snapshot: int) -> None:
    with platform.warehouse.at(snapshot).reading() as connection:
        kept = connection.execute("SELECT * FROM kept_trips").to_arrow_table()
        raw = connection.execute("SELECT * FROM raw_trips").to_arrow_table()
    with platform.warehouse.publishing("all of it again") as connection:
        connection.execute("DELETE FROM kept_trips")
        for raw_table in raw_tables(connection):
            connection.execute(f"DELETE FROM {raw_table}")
        connection.execute("UPDATE published_months SET raw_table = 'converted_trips'")
        for name, rows in (("kept_trips", kept), ("converted_trips", raw)):
            connection.register("rows", rows)
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM rows")
            connection.unregister("rows")


@pytest.mark.slow
def test_difference_is_found_and_reported(
    platform: PlatformHarness, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = model_versions.require(platform.settings, first)
    facts = rebuilding.tracking.get_logged_run(platform.settings, version.run_id)
    forged = {**facts.metrics, "all/duration_model/mae": facts.metrics["all/duration_model/mae"] + 2e-9}
    monkeypatch.setattr(
        rebuilding.tracking, "get_logged_run", lambda *_: SimpleNamespace(params=facts.params, metrics=forged)
    )
    other = {**version.tags, "data_digest": "f00", "git_commit": "abc", "libraries": "numpy 1.0, holidays 0"}
    monkeypatch.setattr(model_versions, "require", lambda *_: replace(version, tags=other))
    found = reproduce(platform.settings, platform.warehouse, first)
    assert not found.is_same
    assert differing(found) == {"data digest", "all/duration_model/mae"}
    assert any("the version was trained at abc" in note for note in found.notes)
    assert any(note.startswith("numpy is") and note.endswith("trained with 1.0.") for note in found.notes)


def test_failed_reproduction_reports_the_reason(
    platform: PlatformHarness, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TaxiError, match="there is no version 999: the newest are"):
        reproduce(platform.settings, platform.warehouse, 999)
    version = model_versions.require(platform.settings, first)
    expired = replace(version, tags={**version.tags, "data_snapshot": "999999"})
    monkeypatch.setattr(model_versions, "require", lambda *_: expired)
    with pytest.raises(TaxiError, match=r"snapshot 999999, the training data of version .* is no longer kept"):
        reproduce(platform.settings, platform.warehouse, first)
    never = {name: value for name, value in version.tags.items() if name != "evaluation_snapshot"}
    monkeypatch.setattr(model_versions, "require", lambda *_: replace(version, tags=never))
    with pytest.raises(TaxiError, match="has no metrics to compare: materialise model_evaluation of 2023-03"):
        reproduce(platform.settings, platform.warehouse, first)


def test_lineage_shows_a_version_from_files_to_bento(
    platform: PlatformHarness, first: int, months_folder: Path
) -> None:
    facts = trace_lineage(platform.settings, platform.warehouse, first, check_result_reader(platform.instance))
    assert [row["month"] for row in facts["months"]] == ["2023-01", "2023-02", "2023-03"]
    for row in facts["months"]:
        assert row["file"] == f"green_tripdata_{row['month']}.parquet"
        assert row["sha256"] == hashlib.sha256((months_folder / row["file"]).read_bytes()).hexdigest()
        for table, checks in row["checks"].items():
            assert checks["passed"] >= 10, (table, checks)
            assert checks["failed"] == []
            assert platform.find(checks["run_id"]).is_success
    version = model_versions.require(platform.settings, first)
    assert facts["features"]["digest"] == version.tags["data_digest"]
    assert facts["version"]["mlflow_run_id"] == version.run_id
    assert facts["version"]["parameters"]["max_iter"] == "5"
    assert facts["decision"]["is_promoted"] is True
    assert [tag.split("-")[0] for tag in facts["bentos"]] == [f"taxi_duration:v{first}"]


def test_lineage_of_a_new_version_has_no_decision_and_no_bento(platform: PlatformHarness) -> None:
    version = register(platform, MARCH, "never evaluated", OracleModel())
    facts = trace_lineage(
        platform.settings, platform.warehouse, version.version, check_result_reader(platform.instance)
    )
    assert (facts["decision"], facts["bentos"]) == (None, [])


def test_lineage_and_reproduce_commands_print_and_exit(
    platform: PlatformHarness, first: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAXI_HOME", str(platform.settings.home))
    monkeypatch.setenv("TAXI_DATA_KIND", "synthetic")

    def typed(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["taxi", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().out

    code, output = typed("lineage", str(first))
    assert code == 0
    assert "green 2023-01  green_tripdata_2023-01.parquet\n" in output
    code, output = typed("lineage", str(first), "--json", "-")
    assert json.loads(output)["version"]["version"] == first
    same = Reproduction(first, (), ("a note",))
    monkeypatch.setattr(rebuilding, "reproduce", lambda *_: same)
    assert typed("reproduce", str(first))[0] == 0
    other = replace(same, compared_values=(rebuilding.ComparedValue("data digest", "a", "b", is_same=False),))
    monkeypatch.setattr(rebuilding, "reproduce", lambda *_: other)
    code, output = typed("reproduce", str(first))
    assert (code, "NOT reproduced" in output, "note: a note" in output) == (1, True, True)
    assert typed("reproduce", str(first), "--json", "-")[0] == 1


def test_the_version_is_complete(platform: PlatformHarness, first: int) -> None:
    import mlflow

    found: Any = client(platform.settings).get_model_version(model_versions.MODEL_NAME, str(first))
    info = mlflow.models.get_model_info(f"models:/{found.name}/{found.version}")
    assert {column.name for column in info.signature.inputs.inputs} >= {
        "pickup_zone_id",
        "dropoff_zone_id",
        "pickup_at",
    }
    assert [column.name for column in info.signature.outputs.inputs] == ["duration_minutes"]
    assert info.saved_input_example_info
    requirements = mlflow.artifacts.download_artifacts(f"models:/{found.name}/{found.version}/requirements.txt")
    with open(requirements, encoding="utf-8") as file:  # noqa: PTH123 - MLflow gives a text
        assert any(line.startswith("scikit-learn==") for line in file)
    run = client(platform.settings).get_run(found.run_id)
    (used,) = run.inputs.dataset_inputs
    assert json.loads(used.dataset.source)["digest"] == found.tags["data_digest"]
    assert len(found.tags["data_digest"]) == 64
    assert found.tags["git_commit"]
    assert "scikit-learn" in found.tags["libraries"]
    assert found.tags["dagster_url"] == f"http://127.0.0.1:3000/runs/{found.tags['dagster_run_id']}"
    assert found.tags["mlflow_url"].startswith("http://127.0.0.1:5000/#/experiments/")
    assert found.tags["mlflow_url"].split("?")[0].endswith(found.run_id)
    assert found.tags["data_snapshot"].isdigit()
    assert found.tags["evaluation_snapshot"].isdigit()
