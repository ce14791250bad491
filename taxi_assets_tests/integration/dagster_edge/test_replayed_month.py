"""A month replayed through HTTP has the evaluation's error, and every answer is traced.

`TEST_REPLAY_DAYS=31` replays the whole month instead of a week; `--junitxml` writes both errors.
"""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from platform_harness import PlatformHarness
from sample_lake import ZONE_FILES, Source
from trip_replay import TripReplay, pickup_seconds

from taxi_assets import synthetic
from taxi_assets.cli.run_pipeline import contiguous_ranges
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.definitions import build
from taxi_assets.defs.instance import open_instance
from taxi_assets.evaluation.month_scores import PredictedMonth, predict_month
from taxi_assets.monitoring.trace_prediction import trace_file, trace_prediction
from taxi_assets.monitoring.variant_comparison import compare_variants
from taxi_assets.months import Month
from taxi_assets.registry import model_versions
from taxi_assets.registry.version_reader import read_versions
from taxi_assets.serving.packaging.release import package_version
from taxi_assets.serving.prediction_log.ingest_log import ingest_log
from taxi_assets.serving.prediction_log.log_tables import LOG_TABLES
from taxi_assets.serving.prediction_log.segments import SEALED
from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import file_name
from taxi_assets.training.conditions import CONDITIONS, WITH_RECENT_TRAFFIC, WITHOUT_RECENT_TRAFFIC
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE

DAYS = int(os.environ.get("TEST_REPLAY_DAYS", "7"))
REPLAYED = Month(2023, 4)
# A month's trips are trained on with recent traffic if three months are before it.
TRAINING_MONTHS = [Month(2022, 10), Month(2022, 11), Month(2023, 1), Month(2023, 2), Month(2023, 3)]
TRAININGS = ({"max_iter": 30}, {"max_iter": 20}, {"max_iter": 20, "window_months": 5})
SMALL = {"max_leaf_nodes": 31, "min_samples_leaf": 100}
TOKEN = {"TAXI_DEPLOY_TOKEN": "for the replay"}
SYNTHETIC_ROWS = 6_000
BATCH = 200  # rides of one more request
TRACED = 20  # answers of each version, one by one
MAX_TRACE_SECONDS = 1.0
TOLERANCE_MINUTES = 0.01


@pytest.fixture(scope="module")
def months_source(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """TLC's months if all are there, else synthetic ones."""
    wanted = [*ZONE_FILES, *(file_name("green", month) for month in (*TRAINING_MONTHS, REPLAYED))]
    if source.kind == "real" and all((source.folder / name).is_file() for name in wanted):
        return source
    folder = tmp_path_factory.mktemp("replayed_months")
    synthetic.write_zones(folder, 7)
    for month in (*TRAINING_MONTHS, REPLAYED):
        synthetic.write_month(folder, "green", month, SYNTHETIC_ROWS, 7)
    return Source(folder, "synthetic")


@pytest.fixture(scope="module")
def served_platform(months_source: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformHarness]:
    """A platform with the months in its warehouse."""
    settings = Settings(
        home=tmp_path_factory.mktemp("replay"),
        data_kind=months_source.kind,
        tlc_source=str(months_source.folder),
        threads=2,
        memory_limit="1GB",
        bento_port=free_port("127.0.0.1"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        with open_instance(settings) as instance:
            platform = PlatformHarness(settings, build(settings), instance)
            for months in contiguous_ranges([*TRAINING_MONTHS, REPLAYED]):
                assert platform.run("ingest_months", months).is_success
            yield platform


@pytest.fixture(scope="module")
def versions(served_platform: PlatformHarness) -> list[int]:
    """Three packaged versions; the first is the champion."""
    trained = [served_platform.train(REPLAYED, **SMALL, **each).version for each in TRAININGS]
    model_versions.promote(served_platform.settings, trained[0], "for the replay")
    for version in trained:
        package_version(served_platform.settings, version)
    return trained


@pytest.fixture(scope="module")
def evaluated(served_platform: PlatformHarness, versions: list[int]) -> dict[int, PredictedMonth]:
    """The evaluation's predictions of the month by each version."""
    platform, found = served_platform, {}
    for version in versions:
        model = model_versions.load_sklearn(platform.settings, model_versions.require(platform.settings, version))
        served = WITH_RECENT_TRAFFIC.name
        found[version] = predict_month(platform.warehouse, model, ("green",), REPLAYED, served)
    return found


@pytest.fixture(scope="module")
def trips(evaluated: Mapping[int, PredictedMonth]) -> pd.DataFrame:
    """The replayed trips of the evaluation, which are its first ones by pickup."""
    every = next(iter(evaluated.values())).trips
    return every[every["pickup_at"] < every["pickup_at"].min().normalize() + pd.Timedelta(days=DAYS)]


@dataclass(frozen=True)
class Replayed:
    """The endpoint's answer to each trip, and to the first ones in one request.

    `shadowed` is true for each trip that the second version predicted as a shadow.
    """

    answers: pd.DataFrame
    batch: Mapping[str, Any]
    shadowed: NDArray[np.bool_]


@pytest.fixture(scope="module")
def replayed(
    served_platform: PlatformHarness, versions: list[int], trips: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Replayed:
    """A replay during which the routing changes twice."""
    first, second, third = versions
    program = bento_program(served_platform.settings)
    program = dataclasses.replace(program, env={**program.env, **TOKEN})
    log = tmp_path_factory.mktemp("logs") / "bento.log"
    start, end = (int(each) for each in np.quantile(pickup_seconds(trips), [0, 1]))
    with running(program, log) as url:
        replay = TripReplay(url, trips)
        replay.play(until=start + (end - start) / 3)
        change(url, "POST", "/deployments", {"model_version": third})
        change(url, "PUT", "/routing/champion", {"model_version": second})
        challengers = [{"version": third, "share": 0.3}]
        change(url, "PUT", "/routing", {"champion": second, "challengers": challengers, "shadows": []})
        replay.play(until=start + (end - start) * 2 / 3)
        change(url, "PUT", "/routing/champion", {"model_version": first})
        change(url, "PUT", "/routing", {"champion": first, "challengers": [], "shadows": [second]})
        shadowed = np.array([answer is None for answer in replay.answers])
        replay.play()
        batch = replay.request_many(range(BATCH))
        replay.close()
    answers = pd.DataFrame(replay.answers, index=trips.index)
    answers["is_known"] = [each["known"] for each in answers["recent_traffic"]]
    return Replayed(answers, batch, shadowed)


@pytest.fixture(scope="module")
def answers(replayed: Replayed) -> pd.DataFrame:
    """The endpoint's answers to the trips."""
    return replayed.answers


def change(url: str, method: str, path: str, body: object) -> None:
    """Change the deployments or the routing of the endpoint."""
    headers = {"Authorization": f"Bearer {TOKEN['TAXI_DEPLOY_TOKEN']}"}
    response = httpx.request(method, url + path, json=body, headers=headers, timeout=30, trust_env=False)
    assert response.is_success, response.text


def rmse(errors: "pd.Series[float]") -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def predicted_by(evaluated: Mapping[int, PredictedMonth], answers: pd.DataFrame, condition: str) -> "pd.Series[float]":
    """The evaluation's minutes of each trip by the version that answered."""
    by_version = pd.DataFrame({name: each.predictions[condition].minutes for name, each in evaluated.items()})
    of_trips = by_version.loc[answers.index]
    return sum(of_trips[name].where(answers["model_version"] == name, 0) for name in evaluated)  # type: ignore[return-value]


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_the_endpoints_error_is_the_evaluations(
    evaluated: Mapping[int, PredictedMonth],
    trips: pd.DataFrame,
    answers: pd.DataFrame,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    assert set(answers["model_version"]) == set(evaluated)
    actual, in_scope = trips["duration_minutes"], PRIMARY_SCOPE.contains(trips["duration_minutes"].to_numpy())
    expected = {name: predicted_by(evaluated, answers, name) for name in CONDITIONS}
    ours, *offline = (
        rmse((minutes - actual)[in_scope])
        for minutes in (answers["duration_minutes"], *(expected[each.name] for each in _CONDITIONS))
    )
    figures = {"trips": in_scope.sum(), "endpoint": ours, "evaluation": offline[0], "without_traffic": offline[1]}
    for name, figure in figures.items():
        record_testsuite_property(name, figure)
    assert ours == pytest.approx(offline[0], abs=TOLERANCE_MINUTES)
    assert abs(ours - offline[1]) > 2 * abs(ours - offline[0])  # the traffic makes a difference
    # Only before the first drop-off nothing is known; the evaluation knows the trips of training.
    assert answers["is_known"].mean() > 0.995
    differences = (answers["duration_minutes"] - expected[WITH_RECENT_TRAFFIC.name])[answers["is_known"]].abs()
    assert (differences < TOLERANCE_MINUTES).mean() > 0.999


_CONDITIONS = (WITH_RECENT_TRAFFIC, WITHOUT_RECENT_TRAFFIC)


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_every_answer_is_traced(
    served_platform: PlatformHarness,
    versions: list[int],
    evaluated: Mapping[int, PredictedMonth],
    trips: pd.DataFrame,
    replayed: Replayed,
) -> None:
    platform, answers, batch_id = served_platform, replayed.answers, replayed.batch["request_id"]
    predictions, feedback = (ingest_log(platform.warehouse, log) for log in LOG_TABLES)
    shadows = int(replayed.shadowed.sum())
    assert (predictions.records, feedback.records) == (len(trips) + shadows + 2 * BATCH, len(trips))
    assert (predictions.duplicates, predictions.torn_lines, feedback.torn_lines) == (0, 0, 0)
    with platform.warehouse.reading() as connection:
        columns = "request_id, model_version, duration_minutes, shadow_of"
        logged = connection.execute(f"SELECT {columns} FROM predictions").df().set_index("request_id")
    of_rides, of_batch = logged.loc[answers["request_id"]], logged.loc[[f"{batch_id}.{row}" for row in range(BATCH)]]
    assert of_rides["model_version"].tolist() == answers["model_version"].tolist()
    assert of_rides["duration_minutes"].round(2).tolist() == answers["duration_minutes"].tolist()
    batch_minutes = [row["duration_minutes"] for row in replayed.batch["predictions"]]
    assert of_batch["duration_minutes"].round(2).tolist() == batch_minutes
    shadow_minutes = logged.set_index("shadow_of")["duration_minutes"].loc[answers["request_id"][replayed.shadowed]]
    expected = evaluated[versions[1]].predictions[WITH_RECENT_TRAFFIC.name].minutes[trips.index[replayed.shadowed]]
    assert (np.abs(shadow_minutes.to_numpy() - expected) < TOLERANCE_MINUTES).mean() > 0.999
    assert set(logged["model_version"]) <= set(read_versions(platform.settings))
    for segment in platform.settings.prediction_log.glob(f"*{SEALED}"):
        segment.unlink()  # the warehouse alone must know them
    for version, own in answers.groupby("model_version"):
        traced = own["request_id"].sample(TRACED, random_state=0).tolist()
        for request_id in [*traced, *([f"{batch_id}.7"] if version == replayed.batch["model_version"] else [])]:
            started = time.perf_counter()
            found = trace_prediction(platform.settings, platform.warehouse, request_id)
            assert time.perf_counter() - started < MAX_TRACE_SECONDS
            assert found["version"]["version"] == version
            assert [row["month"] for row in found["months"]][-1] == str(TRAINING_MONTHS[-1])
            assert all(row["sha256"] and row["checks"] for row in found["months"])
    # The least of three, since other programs use the machine.
    assert min(traced_by_command(platform.settings, request_id) for _ in range(3)) < MAX_TRACE_SECONDS
    newest = found["months"][-1]["sha256"]
    assert trace_file(platform.settings, platform.warehouse, newest)["predictions"] == predictions.records
    challenger, shadow = compare_variants(platform.warehouse)
    assert [each.is_paired for each in (challenger, shadow)] == [False, True]
    assert min(challenger.rides, challenger.champion_rides, shadow.rides) > 100


def traced_by_command(settings: Settings, request_id: str) -> float:
    """Processor seconds of `taxi trace` for an answer."""
    environment = {**os.environ, "TAXI_HOME": str(settings.home), "TAXI_DATA_KIND": settings.active_data_kind}
    command = [str(Path(sys.executable).parent / "taxi"), "trace", request_id]
    before = os.times()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    after = os.times()
    assert done.stdout.startswith("prediction ")
    return after.children_user + after.children_system - before.children_user - before.children_system
