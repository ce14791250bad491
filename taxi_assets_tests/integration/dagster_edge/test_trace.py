"""`taxi trace` goes from a prediction to its files and checks, and from a file to its predictions."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from challenger_models import OracleModel, register
from platform_harness import MARCH, PlatformHarness
from sample_predictions import prediction

from taxi_assets.defs.check_results import check_result_reader
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.lineage import trace_lineage
from taxi_assets.monitoring.trace_prediction import trace_file, trace_prediction
from taxi_assets.registry import model_versions
from taxi_assets.registry.version_reader import read_versions
from taxi_assets.serving.prediction_log.ingest_log import ingest_log
from taxi_assets.serving.prediction_log.log_writer import LogWriter
from taxi_assets.serving.prediction_log.prediction_record import PredictionRecord

HEAVY = ("mlflow", "dagster", "sklearn", "pandas", "pyarrow", "great_expectations", "onnxruntime")
Log = Callable[..., list[str]]


@pytest.fixture
def first(platform: PlatformHarness) -> int:
    """The platform's first version."""
    run = platform.instance.get_runs(dg.RunsFilter(job_name="train_month"), ascending=True)[0]
    return int(platform.metadata(run, "duration_model")["version"].value)  # type: ignore[arg-type]


@pytest.fixture
def log(platform: PlatformHarness) -> Iterator[Log]:
    """Logs predictions; afterwards the platform has none."""

    def log(*records: PredictionRecord) -> list[str]:
        writer = LogWriter(platform.settings.prediction_log)
        ids = writer.append_many(records)
        writer.close()
        return ids

    yield log
    remove_log(platform)
    with platform.warehouse.publishing("no predictions") as connection:
        for table in ("predictions", "logged_segments"):
            connection.execute(f"DELETE FROM {table}")


def remove_log(platform: PlatformHarness) -> None:
    for path in platform.settings.prediction_log.glob("*"):  # the folder may not exist yet
        path.unlink()


def test_a_prediction_is_traced_to_files_and_checks(platform: PlatformHarness, first: int, log: Log) -> None:
    _, request_id = log(prediction(1, model_version=first), prediction(2, model_version=first, duration_minutes=7.5))
    found = trace_prediction(platform.settings, platform.warehouse, request_id)
    lineage = trace_lineage(platform.settings, platform.warehouse, first, check_result_reader(platform.instance))
    assert [row["month"] for row in found["months"]] == ["2023-01", "2023-02"]
    for row, expected in zip(found["months"], lineage["months"], strict=False):
        assert {name: row[name] for name in ("service", "month", "file", "sha256")} == {
            name: expected[name] for name in ("service", "month", "file", "sha256")
        }
        assert {table: {**checks, "run_id": None} for table, checks in row["checks"].items()} == {
            table: {**checks, "run_id": None} for table, checks in expected["checks"].items()
        }
        assert all(platform.find(checks["run_id"]).is_success for checks in row["checks"].values())
    assert (found["prediction"]["duration_minutes"], found["prediction"]["request_id"]) == (7.5, request_id)
    assert found["version"]["mlflow_run_id"] == lineage["version"]["mlflow_run_id"]
    assert found["version"]["git_commit"] == lineage["version"]["git_commit"]
    assert found["features"] == lineage["features"]
    assert found["is_in_log"]
    assert found["snapshot_kept"]


def test_a_trace_is_the_same_before_and_after_ingestion(platform: PlatformHarness, first: int, log: Log) -> None:
    (request_id,) = log(prediction(model_version=first, rider="a", traffic_age_seconds=2.5, warnings=1))
    before = trace_prediction(platform.settings, platform.warehouse, request_id)
    ingest_log(platform.warehouse)
    assert trace_prediction(platform.settings, platform.warehouse, request_id) == before
    remove_log(platform)
    after = trace_prediction(platform.settings, platform.warehouse, request_id)
    assert after == {**before, "is_in_log": False}


def test_every_version_of_the_log_is_traced(platform: PlatformHarness, first: int, log: Log) -> None:
    tags = model_versions.require(platform.settings, first).tags
    versions = [first, *(register(platform, MARCH, f"traced {n}", OracleModel()).version for n in range(2))]
    ids = log(*(prediction(number, model_version=versions[number % 3]) for number in range(12)))
    ingest_log(platform.warehouse)
    remove_log(platform)
    found = [trace_prediction(platform.settings, platform.warehouse, each) for each in ids]
    assert {each["version"]["version"] for each in found} == set(versions)
    assert all([row["month"] for row in each["months"]] == tags["months"].split(",") for each in found)


def test_a_file_is_traced_to_the_predictions_it_affects(platform: PlatformHarness, first: int, log: Log) -> None:
    ids = log(*(prediction(number, model_version=first) for number in range(15)))
    ingest_log(platform.warehouse)
    later = log(prediction(-60, model_version=first), prediction(model_version=999))
    sha256 = {
        row["month"]: row["sha256"]
        for row in trace_lineage(platform.settings, platform.warehouse, first, check_result_reader(platform.instance))[
            "months"
        ]
    }
    found = trace_file(platform.settings, platform.warehouse, sha256["2023-01"][:12].upper())
    assert found["file"]["sha256"] == sha256["2023-01"]
    assert {"version": first, "predictions": 16} in found["versions"]
    assert found["predictions"] == 16
    assert [each["request_id"] for each in found["first"]] == [later[0], *ids[:9]]
    scored = trace_file(platform.settings, platform.warehouse, sha256["2023-03"])
    assert first not in {row["version"] for row in scored["versions"]}
    assert (scored["predictions"], scored["first"]) == (0, [])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [("0" * 16 + "-0", "there is no prediction 0000"), ("x", "no request id"), ("0" * 16 + "-0'.1", "no request id")],
)
def test_an_unknown_prediction_is_an_error(platform: PlatformHarness, log: Log, wrong: str, message: str) -> None:
    with pytest.raises(TaxiError, match=message):
        trace_prediction(platform.settings, platform.warehouse, wrong)


def test_a_prediction_of_a_deleted_version_is_an_error(platform: PlatformHarness, log: Log) -> None:
    (request_id,) = log(prediction(model_version=999))
    with pytest.raises(TaxiError, match="version 999 is not in MLflow's registry"):
        trace_prediction(platform.settings, platform.warehouse, request_id)


@pytest.mark.parametrize(
    ("wrong", "message"), [("abc", "at least its first 8"), ("'; DROP--", "no SHA-256"), ("0" * 64, "no file has")]
)
def test_an_unknown_file_is_an_error(platform: PlatformHarness, wrong: str, message: str) -> None:
    with pytest.raises(TaxiError, match=message):
        trace_file(platform.settings, platform.warehouse, wrong)


def test_versions_are_read_as_mlflow_returns_them(platform: PlatformHarness) -> None:
    found = model_versions.versions(platform.settings)
    assert read_versions(platform.settings) == {version.version: version for version in found}


def test_trace_imports_no_heavy_library(platform: PlatformHarness, first: int, log: Log) -> None:
    (request_id,) = log(prediction(model_version=first))
    code = (
        "import sys\nfrom taxi_assets.cli import main\n"
        f"sys.argv = ['taxi', 'trace', {request_id!r}]\n"
        "try:\n    main()\nexcept SystemExit as done:\n    code = done.code or 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules], code)"
    )
    environment = {**os.environ, "TAXI_HOME": str(platform.settings.home), "TAXI_DATA_KIND": "synthetic"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "[] 0"
    assert lines[0].startswith("prediction  12.5 minutes (8.0 to 20.0), champion, 2024-05-06T12:00:00")
    assert "green 2023-02  green_tripdata_2023-02.parquet" in lines


def test_the_command_prints_json_and_affected_predictions(
    platform: PlatformHarness, first: int, log: Log, taxi: Callable[..., tuple[int, str, str]]
) -> None:
    (request_id,) = log(prediction(model_version=first))
    code, output, _ = taxi("trace", request_id, "--json", "-")
    sha256 = json.loads(output)["months"][0]["sha256"]
    assert code == 0
    code, output, _ = taxi("trace", "--file", sha256)
    assert f"    {request_id}  12.5 minutes, 2024-05-06 12:00:00 UTC" in output.splitlines()
    code, _, error = taxi("trace")
    assert (code, "name one prediction or one file" in error) == (1, True)
    assert taxi("trace", request_id, "--file", sha256)[0] == 1


@pytest.fixture
def taxi(
    platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command; returns its exit code, output and errors."""
    from taxi_assets import cli

    monkeypatch.setenv("TAXI_HOME", str(platform.settings.home))
    monkeypatch.setenv("TAXI_DATA_KIND", "synthetic")

    def typed(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["taxi", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return typed
