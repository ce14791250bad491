"""`taxi run` from months to a served prediction, started from a shell; small months save time."""

import json
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cli_user import MONTHS, CliUser, make_cli_user, write_months
from sample_lake import Source
from table_digests import table_digests

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

ROWS = 4_000
RUN = ("run", "--months", "2023-01..2023-02")


@pytest.fixture(scope="module")
def cli_user(tmp_path_factory: pytest.TempPathFactory) -> CliUser:
    """A user without network who already has small synthetic months."""
    unreachable = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    found = make_cli_user(tmp_path_factory.mktemp("run"), unreachable)
    write_months(Settings(home=found.home, data_kind="synthetic").root / "source", ROWS)
    return found


@pytest.fixture(scope="module")
def done(cli_user: CliUser) -> subprocess.CompletedProcess[str]:
    """Runs `taxi run` while another process uses the endpoint's port, as `taxi up` would."""
    report = cli_user.home.parent / "reports" / "run.json"
    with socket.create_server(("127.0.0.1", cli_user.port)):
        return cli_user.run(*RUN, "--json", str(report))


@pytest.fixture(scope="module")
def facts(cli_user: CliUser, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((cli_user.home.parent / "reports" / "run.json").read_text())
    return found


def assert_complete(facts: Mapping[str, Any]) -> None:
    """Asserts that every documented JSON field is present and has a useful value."""
    named = ("source", "synthetic", "months", "services", "rows", "score", "model", "bento", "prediction", "drift")
    assert {*named, "seconds"} <= set(facts)
    rows, score, model = facts["rows"], facts["score"], facts["model"]
    assert rows["raw"] == rows["clean"] + sum(rows["rejected"].values())
    assert score["month"] == facts["months"][-1]
    assert 0 < score["model"]["mae"] < score["model"]["rmse"]
    assert {"zone_pair_median", "one_hot_linear_regression"} <= set(score["baselines"])
    assert all(0 < baseline["mae"] < baseline["rmse"] for baseline in score["baselines"].values())
    assert model["name"] == "taxi-duration"
    assert model["run_id"]
    assert facts["bento"].startswith("taxi_duration:")
    assert facts["prediction"]["duration_minutes"] > 0
    assert facts["bento"].startswith(f"taxi_duration:v{facts['prediction']['model_version']}-")
    assert facts["drift"]["verdict"] in {"stable", "watch"}
    assert {"fetch", "published_months", "duration_model", "serve"} <= set(facts["seconds"])


def test_unreachable_source_is_replaced_by_synthetic_months(
    cli_user: CliUser, done: subprocess.CompletedProcess[str]
) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = [line for line in done.stdout.splitlines() if "SYNTHETIC" in line]
    assert line.startswith(f"note: {cli_user.source} cannot be reached")
    assert "(synthetic months)" in done.stdout


def test_occupied_endpoint_port_does_not_stop_the_run(facts: dict[str, Any]) -> None:
    assert facts["bento"].startswith(f"taxi_duration:v{facts['prediction']['model_version']}-")


def test_json_has_every_figure(facts: dict[str, Any]) -> None:
    assert_complete(facts)
    assert facts["synthetic"] is True
    assert facts["months"] == [str(month) for month in MONTHS]
    assert facts["services"] == ["green"]
    assert facts["rows"]["raw"] == len(MONTHS) * ROWS
    assert (facts["model"]["version"], facts["model"]["alias"]) == (1, "champion")


def test_table_shows_the_json_figures(done: subprocess.CompletedProcess[str], facts: dict[str, Any]) -> None:
    rows, score = facts["rows"], facts["score"]
    for text in (
        f"{rows['raw']:,}",
        f"{rows['clean']:,}",
        *(f"{count:,}" for count in rows["rejected"].values()),
        f"{score['model']['rmse']:.3f}",
        *(f"{baseline['rmse']:.3f}" for baseline in score["baselines"].values()),
        facts["drift"]["verdict"],
        facts["bento"],
        f"{facts['prediction']['duration_minutes']:.1f} minutes",
        "make up",
    ):
        assert text in done.stdout


@pytest.mark.slow
def test_status_agrees_without_the_data_kind_set(cli_user: CliUser, facts: dict[str, Any]) -> None:
    status = cli_user.run_json("status")
    assert status["synthetic"] is True
    months = [(each["month"], each["rows"], each["models"]) for each in status["months"]]
    assert months == [(str(month), ROWS, models) for month, models in zip(MONTHS, [[], [1]], strict=True)]
    assert status["served"] is None
    assert status["champion"]["version"] == facts["model"]["version"]
    assert status["champion"]["run_id"] == facts["model"]["run_id"]
    assert status["bento"] == facts["bento"]
    assert status["last_run"]["status"] == "SUCCESS"


def without_ids(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a run, but its duration and the id of its prediction in the log."""
    prediction = {name: value for name, value in facts["prediction"].items() if name != "request_id"}
    return {**facts, "seconds": 0, "prediction": prediction}


@pytest.mark.slow
def test_running_again_changes_nothing(cli_user: CliUser, facts: dict[str, Any]) -> None:
    settings = cli_user.settings.model_copy(update={"data_kind": "synthetic"})
    before = table_digests(Warehouse(settings))
    again = cli_user.run_json(*RUN)
    assert without_ids(again) == without_ids(facts)
    assert table_digests(Warehouse(settings)) == before


def test_run_leaves_no_process_and_no_extra_files(cli_user: CliUser, facts: dict[str, Any]) -> None:
    import psutil

    homes = []
    for process in psutil.process_iter():
        try:
            homes.append(process.environ().get("TAXI_HOME"))
        except psutil.Error:
            continue
    assert str(cli_user.home) not in homes
    assert {path.name for path in cli_user.home.iterdir()} <= {"synthetic", "real", "data_kind", "run.lock"}


@pytest.mark.slow
def test_generated_synthetic_months_have_full_size(tmp_path: Path) -> None:
    facts = make_cli_user(tmp_path, f"http://127.0.0.1:{free_port('127.0.0.1')}").run_json(*RUN)
    assert_complete(facts)
    assert facts["synthetic"] is True
    assert facts["rows"]["raw"] == len(MONTHS) * 60_000


@pytest.mark.slow
def test_folder_of_months_is_a_source(tmp_path: Path, source: Source) -> None:
    real = source.kind == "real" and (source.folder / "green_tripdata_2023-03.parquet").is_file()
    facts = make_cli_user(tmp_path, source.folder).run_json(
        "run", "--months", "2023-01..2023-03" if real else "2023-01..2023-02"
    )
    assert_complete(facts)
    assert facts["synthetic"] is (source.kind == "synthetic")
    if real:
        assert facts["rows"]["raw"] == 205_064
        assert facts["score"]["model"]["rmse"] < min(5.7, *(b["rmse"] for b in facts["score"]["baselines"].values()))
