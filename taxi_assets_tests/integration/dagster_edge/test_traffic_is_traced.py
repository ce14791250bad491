"""A month of traffic through three served versions: every logged prediction resolves by `taxi trace`."""

from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from platform_harness import FEBRUARY, MARCH, PlatformHarness

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.monitoring.trace_prediction import trace_file, trace_prediction
from taxi_assets.registry import model_versions
from taxi_assets.serving.packaging.release import package_version
from taxi_assets.serving.prediction_log.ingest_log import ingest_log
from taxi_assets.serving.prediction_log.segments import SEALED, names

SINGLE_RIDES = 200  # of each version, the others of its part of the month are batches
BATCH = 250


def rides_of(platform: PlatformHarness) -> list[dict[str, Any]]:
    """The trips of March as ride requests, in the order of their pickups."""
    query = (
        "SELECT pickup_zone_id, dropoff_zone_id, strftime(pickup_at, '%Y-%m-%dT%H:%M:%S') FROM clean_trips "
        "WHERE month = DATE '2023-03-01' ORDER BY pickup_at"
    )
    with platform.warehouse.reading() as connection:
        rows = connection.execute(query).fetchall()
    return [dict(zip(("pickup_zone_id", "dropoff_zone_id", "pickup_at"), row, strict=True)) for row in rows]


def replay(platform: PlatformHarness, version: int, rides: list[dict[str, Any]], log: Path) -> dict[str, float]:
    """Serve the version, ask it for these rides, and return the answers' minutes by request id."""
    model_versions.promote(platform.settings, version, "for the replay")
    package_version(platform.settings)
    answers = {}
    program = bento_program(platform.settings.model_copy(update={"bento_port": free_port("127.0.0.1")}))
    with running(program, log) as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for ride in rides[:SINGLE_RIDES]:
            answer = client.post("/predict", json=ride).raise_for_status().json()
            assert answer["model_version"] == version
            answers[answer["request_id"]] = answer["duration_minutes"]
        for start in range(SINGLE_RIDES, len(rides), BATCH):
            body = {"rides": rides[start : start + BATCH]}
            answer = client.post("/predict_many", json=body).raise_for_status().json()
            for row, made in enumerate(answer["predictions"]):
                answers[f"{answer['request_id']}.{row}"] = made["duration_minutes"]
    return answers


@pytest.mark.slow
def test_every_prediction_of_three_versions_is_traced(platform: PlatformHarness, tmp_path: Path) -> None:
    champion = model_versions.champion(platform.settings)
    assert champion
    versions = [champion, platform.train(FEBRUARY), platform.train(MARCH, max_iter=7)]
    rides = rides_of(platform)
    part = len(rides) // 3 + 1
    answers: dict[int, dict[str, float]] = {
        version.version: replay(platform, version.version, rides[part * n : part * (n + 1)], tmp_path / f"{n}.log")
        for n, version in enumerate(versions)
    }
    assert sum(map(len, answers.values())) == len(rides)
    assert resolve(platform, answers, every=10)
    assert ingest_log(platform.warehouse).records == len(rides)
    for name in names(platform.settings.prediction_log, SEALED):
        (platform.settings.prediction_log / f"{name}{SEALED}").unlink()
    of_february_too = len(answers[versions[0].version]) + len(answers[versions[2].version])
    assert resolve(platform, answers) == {"2023-01": len(rides), "2023-02": of_february_too}
    (january,) = [
        row["sha256"]
        for row in trace_prediction(platform.settings, platform.warehouse, next(iter(answers[champion.version])))[
            "months"
        ]
        if row["month"] == "2023-01"
    ]
    assert trace_file(platform.settings, platform.warehouse, january)["predictions"] == len(rides)


def resolve(platform: PlatformHarness, answers: dict[int, dict[str, float]], every: int = 1) -> Counter[str]:
    """Trace the answers, or each of so many, and count their training months."""
    months: Counter[str] = Counter()
    for version, of_version in answers.items():
        run_id = model_versions.require(platform.settings, version).run_id
        for request_id, minutes in list(of_version.items())[::every]:
            found = trace_prediction(platform.settings, platform.warehouse, request_id)
            assert round(found["prediction"]["duration_minutes"], 2) == minutes
            assert (found["version"]["version"], found["version"]["mlflow_run_id"]) == (version, run_id)
            assert all(
                row["sha256"] and not table["failed"] for row in found["months"] for table in row["checks"].values()
            )
            assert all(table["passed"] for row in found["months"] for table in row["checks"].values())
            months.update(row["month"] for row in found["months"])
    return months
