"""`taxi run` from months to a served prediction, as a person starts it; the small months only save time."""

import json
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import MONTHS, Person, content, person, write_months
from lakes import Source

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.settings import Settings

ROWS = 4_000
RUN = ("run", "--months", "2023-01..2023-02")


@pytest.fixture(scope="module")
def somebody(tmp_path_factory: pytest.TempPathFactory) -> Person:
    """A person without network, whose synthetic months were made before, smaller than `taxi run` makes them."""
    nobody = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    found = person(tmp_path_factory.mktemp("run"), nobody)
    write_months(Settings(home=found.home, data="synthetic").root / "source", ROWS)
    return found


@pytest.fixture(scope="module")
def done(somebody: Person) -> subprocess.CompletedProcess[str]:
    """The run, while something else has the endpoint's port, as `taxi up` would."""
    report = somebody.home.parent / "reports" / "run.json"
    with socket.create_server(("127.0.0.1", somebody.port)):
        return somebody.types(*RUN, "--json", str(report))


@pytest.fixture(scope="module")
def facts(somebody: Person, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((somebody.home.parent / "reports" / "run.json").read_text())
    return found


def assert_complete(facts: Mapping[str, Any]) -> None:
    """Every field that those who read the JSON rely on is there and means something."""
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
    assert facts["prediction"]["bento"] == facts["bento"]
    assert facts["drift"]["verdict"] in {"stable", "watch", "drifted"}
    assert {"fetch", "raw_trips", "duration_model", "serve"} <= set(facts["seconds"])


def test_it_goes_on_with_synthetic_months_and_says_so_in_one_line(
    somebody: Person, done: subprocess.CompletedProcess[str]
) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = [line for line in done.stdout.splitlines() if "SYNTHETIC" in line]
    assert line.startswith(f"note: {somebody.source} cannot be reached")
    assert "(synthetic months)" in done.stdout


def test_a_taken_endpoint_port_does_not_stop_it(facts: dict[str, Any]) -> None:
    assert facts["prediction"]["bento"] == facts["bento"]


def test_the_json_tells_everything(facts: dict[str, Any]) -> None:
    assert_complete(facts)
    assert facts["synthetic"] is True
    assert facts["months"] == [str(month) for month in MONTHS]
    assert facts["services"] == ["green"]
    assert facts["rows"]["raw"] == len(MONTHS) * ROWS
    assert (facts["model"]["version"], facts["model"]["alias"]) == (1, "champion")


def test_the_table_shows_what_the_json_tells(done: subprocess.CompletedProcess[str], facts: dict[str, Any]) -> None:
    rows, score = facts["rows"], facts["score"]
    for told in (
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
        assert told in done.stdout


def test_the_status_tells_the_same_without_being_told_the_kind_of_months(
    somebody: Person, facts: dict[str, Any]
) -> None:
    status = somebody.asks("status")
    assert status["synthetic"] is True
    held = [(each["month"], each["rows"], each["models"]) for each in status["months"]]
    assert held == [(str(month), ROWS, models) for month, models in zip(MONTHS, [[], [1]], strict=True)]
    assert status["served"] is None
    assert status["champion"]["version"] == facts["model"]["version"]
    assert status["champion"]["run_id"] == facts["model"]["run_id"]
    assert status["bento"] == facts["bento"]
    assert status["last_run"]["status"] == "SUCCESS"


@pytest.mark.slow
def test_running_again_changes_nothing(somebody: Person, facts: dict[str, Any]) -> None:
    settings = somebody.settings.model_copy(update={"data": "synthetic"})
    before = content(settings)
    again = somebody.asks(*RUN)
    assert {**again, "seconds": 0} == {**facts, "seconds": 0}
    assert content(settings) == before


def test_nothing_is_left_running_or_lying_about(somebody: Person, facts: dict[str, Any]) -> None:
    import psutil

    homes = []
    for process in psutil.process_iter():
        try:
            homes.append(process.environ().get("TAXI_HOME"))
        except psutil.Error:
            continue
    assert str(somebody.home) not in homes
    assert {path.name for path in somebody.home.iterdir()} <= {"synthetic", "real", "data_kind", "run.lock"}


@pytest.mark.slow
def test_the_months_it_makes_up_itself_are_of_full_size(tmp_path: Path) -> None:
    facts = person(tmp_path, f"http://127.0.0.1:{free_port('127.0.0.1')}").asks(*RUN)
    assert_complete(facts)
    assert facts["synthetic"] is True
    assert facts["rows"]["raw"] == len(MONTHS) * 60_000


@pytest.mark.slow
def test_a_folder_of_months_is_run_on_as_it_is(tmp_path: Path, source: Source) -> None:
    real = source.kind == "real" and (source.folder / "green_tripdata_2023-03.parquet").is_file()
    facts = person(tmp_path, source.folder).asks("run", "--months", "2023-01..2023-03" if real else "2023-01..2023-02")
    assert_complete(facts)
    assert facts["synthetic"] is (source.kind == "synthetic")
    if real:
        assert facts["rows"]["raw"] == 205_064
        assert facts["score"]["model"]["rmse"] < min(5.7, *(b["rmse"] for b in facts["score"]["baselines"].values()))
