"""A version rebuilt from its snapshot to the last digit, and told from its files to its Bento."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from challengers import Enlightened, register
from town import MARCH, Town

from taxi_assets import cli
from taxi_assets.defs.check_results import reader
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring import reproduce as rebuilding
from taxi_assets.monitoring.lineage import trace
from taxi_assets.monitoring.reproduce import Reproduction, reproduce
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client


@pytest.fixture
def first(town: Town) -> int:
    """The version the town was founded with."""
    run = town.instance.get_runs(dg.RunsFilter(job_name="month"), ascending=True)[0]
    return int(town.metadata(run, "duration_model")["version"].value)  # type: ignore[arg-type]


def differing(found: Reproduction) -> set[str]:
    return {finding.what for finding in found.findings if not finding.is_same}


@pytest.mark.slow
def test_a_version_is_rebuilt_to_the_last_digit_though_the_lake_went_on(town: Town, first: int) -> None:
    before = town.warehouse.snapshot()
    with town.warehouse.publishing("a month is published anew, without half of its rides") as connection:
        connection.execute("DELETE FROM trip_features WHERE month = DATE '2023-01-01' AND source_row % 2 = 0")
        connection.execute("DELETE FROM raw_trips WHERE month = DATE '2023-03-01' AND source_row % 2 = 0")
    versions = len(client(town.settings).search_model_versions(""))
    try:
        found = reproduce(town.settings, town.warehouse, first)
    finally:
        restore(town, before)
    assert found.is_same, found
    assert {finding.what for finding in found.findings} >= {"data digest", "rides learned from"}
    assert {finding.what for finding in found.findings} >= {
        f"{convention}/duration_model/{measure}"
        for convention in ("course", "all")
        for measure in ("rmse", "mae", "bias")
    }
    assert len(client(town.settings).search_model_versions("")) == versions


def restore(town: Town, snapshot: int) -> None:
    with town.warehouse.reading(snapshot) as connection:
        features = connection.execute("SELECT * FROM trip_features").to_arrow_table()
        raw = connection.execute("SELECT * FROM raw_trips").to_arrow_table()
    with town.warehouse.publishing("all of it again") as connection:
        for name, rows in (("trip_features", features), ("raw_trips", raw)):
            connection.execute(f"DELETE FROM {name}")
            connection.register("rows", rows)
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM rows")
            connection.unregister("rows")


@pytest.mark.slow
def test_a_difference_is_found_and_told(town: Town, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    version = model_versions.require(town.settings, first)
    facts = rebuilding.tracking.run_facts(town.settings, version.run_id)
    forged = {**facts.metrics, "all/duration_model/mae": facts.metrics["all/duration_model/mae"] + 2e-9}
    monkeypatch.setattr(rebuilding.tracking, "run_facts", lambda *_: replace(facts, metrics=forged))
    other = {**version.tags, "data_digest": "f00", "git_commit": "abc", "libraries": "numpy 1.0, holidays 0"}
    monkeypatch.setattr(model_versions, "require", lambda *_: replace(version, tags=other))
    found = reproduce(town.settings, town.warehouse, first)
    assert not found.is_same
    assert differing(found) == {"data digest", "all/duration_model/mae"}
    assert any("the version was made by abc" in note for note in found.notes)
    assert any(note.startswith("numpy is") and note.endswith("made with 1.0.") for note in found.notes)


def test_what_cannot_be_rebuilt_says_why(town: Town, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TaxiError, match="there is no version 999: the newest are"):
        reproduce(town.settings, town.warehouse, 999)
    version = model_versions.require(town.settings, first)
    expired = replace(version, tags={**version.tags, "data_snapshot": "999999"})
    monkeypatch.setattr(model_versions, "require", lambda *_: expired)
    with pytest.raises(TaxiError, match=r"snapshot 999999, from which version .* is no longer kept"):
        reproduce(town.settings, town.warehouse, first)
    never = {name: value for name, value in version.tags.items() if name != "evaluation_snapshot"}
    monkeypatch.setattr(model_versions, "require", lambda *_: replace(version, tags=never))
    with pytest.raises(TaxiError, match="has no metrics to compare with: materialise model_evaluation of 2023-03"):
        reproduce(town.settings, town.warehouse, first)


def test_a_version_is_told_from_its_files_to_its_bento(town: Town, first: int, months_folder: Path) -> None:
    facts = trace(town.settings, town.warehouse, first, reader(town.instance))
    assert [row["month"] for row in facts["months"]] == ["2023-01", "2023-02", "2023-03"]
    for row in facts["months"]:
        assert row["file"] == f"green_tripdata_{row['month']}.parquet"
        assert row["sha256"] == hashlib.sha256((months_folder / row["file"]).read_bytes()).hexdigest()
        for table, checks in row["checks"].items():
            assert checks["passed"] >= 10, (table, checks)
            assert checks["failed"] == []
            assert town.find(checks["run_id"]).is_success
    version = model_versions.require(town.settings, first)
    assert facts["features"]["digest"] == version.tags["data_digest"]
    assert facts["version"]["mlflow_run_id"] == version.run_id
    assert facts["version"]["parameters"]["max_iter"] == "5"
    assert facts["decision"]["is_promoted"] is True
    assert [tag.split("-")[0] for tag in facts["bentos"]] == [f"taxi_duration:v{first}"]


def test_a_version_nobody_decided_on_or_built_says_so(town: Town) -> None:
    version = register(town, MARCH, "never evaluated", Enlightened())
    facts = trace(town.settings, town.warehouse, version.version, reader(town.instance))
    assert (facts["decision"], facts["bentos"]) == (None, [])


def test_the_commands_print_and_exit_as_they_should(
    town: Town, first: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAXI_HOME", str(town.settings.home))
    monkeypatch.setenv("TAXI_DATA", "synthetic")

    def typed(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["taxi", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().out

    code, told = typed("lineage", str(first))
    assert code == 0
    assert "green 2023-01  green_tripdata_2023-01.parquet\n" in told
    code, told = typed("lineage", str(first), "--json", "-")
    assert json.loads(told)["version"]["version"] == first
    same = Reproduction(first, (), ("a note",))
    monkeypatch.setattr(rebuilding, "reproduce", lambda *_: same)
    assert typed("reproduce", str(first))[0] == 0
    other = replace(same, findings=(rebuilding.Finding("data digest", "a", "b", is_same=False),))
    monkeypatch.setattr(rebuilding, "reproduce", lambda *_: other)
    code, told = typed("reproduce", str(first))
    assert (code, "NOT reproduced" in told, "note: a note" in told) == (1, True, True)
    assert typed("reproduce", str(first), "--json", "-")[0] == 1


def test_the_version_is_complete(town: Town, first: int) -> None:
    import mlflow

    found: Any = client(town.settings).get_model_version(model_versions.MODEL_NAME, str(first))
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
    run = client(town.settings).get_run(found.run_id)
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
