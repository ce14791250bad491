"""The champion is measured on a new month before the month's decision, and the same version each time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from platform_harness import FEBRUARY, MARCH, PlatformHarness, first_run_of, pictures

from taxi_assets.evaluation.evaluate import rescore
from taxi_assets.evaluation.version_predictions import predict_version
from taxi_assets.monitoring.champion_performance import (
    MonthPerformance,
    NotMeasured,
    champion_before,
    measure_champion,
    read_champion_performance,
)
from taxi_assets.months import Month
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version, model_file
from taxi_assets.training.conditions import CONDITIONS
from taxi_assets.training.dataset import read_evaluation_trips
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, PRIMARY_SCOPE, TRIPS_1_TO_180_MINUTES

DECIDED = Month(2022, 12)  # a month of decisions only


@pytest.fixture
def of_january(platform: PlatformHarness) -> Iterator[Version]:
    """A champion trained on January, on a February without decisions of other tests."""
    version = platform.train(FEBRUARY)
    with platform.warehouse.publishing("no decision") as connection:
        others = connection.execute("FROM promotions WHERE month = ?", [FEBRUARY.first_day]).df()
        connection.execute("DELETE FROM promotions WHERE month = ?", [FEBRUARY.first_day])
    model_versions.promote(platform.settings, version.version, "Trained on January.")
    yield version
    with platform.warehouse.publishing("as before") as connection:
        connection.execute("DELETE FROM champion_performance")
        connection.execute("DELETE FROM promotions WHERE month = ?", [DECIDED.first_day])
        connection.register("others", others)
        connection.execute("INSERT INTO promotions BY NAME FROM others")


def rows(platform: PlatformHarness) -> list[dict[str, Any]]:
    with platform.warehouse.reading() as connection:
        frame = connection.execute("FROM champion_performance ORDER BY scope, slice, value").df()
    return frame.to_dict("records")


def decide(platform: PlatformHarness, version: int, champion: int | None, day: int, month: Month = DECIDED) -> None:
    with platform.warehouse.publishing("a decision") as connection:
        connection.execute(
            "INSERT INTO promotions BY NAME SELECT $month::DATE AS month, $version AS model_version, true AS "
            "is_promoted, $champion::BIGINT AS champion_version, TIMESTAMP '2023-01-01' + to_days($day) AS decided_at",
            {"month": month.first_day, "version": version, "champion": champion, "day": day},
        )


def reason(platform: PlatformHarness, month: Month) -> str:
    found = measure_champion(platform.settings, platform.warehouse, month)
    assert isinstance(found, NotMeasured)
    return found.reason


def test_the_first_month_has_no_champion_to_measure(platform: PlatformHarness) -> None:
    run = first_run_of(platform, "train_month")
    shown = platform.metadata(run, "champion_performance")
    assert shown["not_measured"].value == "there was no champion before the decision on 2023-03"
    assert all(check.passed for check in platform.checks(run, "champion_performance").values())
    assert reason(platform, MARCH) == shown["not_measured"].value  # also after the decision


def test_a_champion_is_measured_on_a_month_that_it_has_not_seen(platform: PlatformHarness, of_january: Version) -> None:
    result = platform.materialise(FEBRUARY, "champion_performance")
    assert result.success
    found = rows(platform)
    condition = platform.settings.served_condition
    expected = rescore(platform.warehouse, pickled(platform, of_january), ("green",), FEBRUARY, condition)
    for scope in EVALUATION_SCOPES:
        own = [row for row in found if row["scope"] == scope]
        (overall,) = [row for row in own if row["slice"] == "overall"]
        assert (overall["trips"], overall["model_version"]) == (expected[scope].trips, of_january.version)
        assert [overall[name] for name in ("rmse", "mae", "bias")] == pytest.approx(
            [expected[scope].rmse, expected[scope].mae, expected[scope].bias]
        )
        for name in ("pickup_borough", "airport_trip", "hour_band", "pair_frequency"):
            parts = [row for row in own if row["slice"] == name]
            for column in ("trips", "inside"):
                assert sum(row[column] for row in parts) == overall[column]
            squares = sum(row["trips"] * row["rmse"] ** 2 for row in parts)
            assert np.sqrt(squares / overall["trips"]) == pytest.approx(overall["rmse"])
        assert 0 < overall["rmse_standard_error"] < 0.1 * overall["rmse"]
    run = platform.find(result.run_id)
    shown = platform.metadata(run, "champion_performance")
    assert shown["rmse_minutes"].value == pytest.approx(expected[PRIMARY_SCOPE.name].rmse, abs=5e-4)
    assert len(pictures(shown["pictures"])) == 2
    assert platform.checks(run, "champion_performance")["every_trip_in_scope_is_scored"].passed


@pytest.mark.slow
def test_the_same_champion_is_measured_again(platform: PlatformHarness, of_january: Version) -> None:
    assert platform.materialise(FEBRUARY, "champion_performance").success
    before = rows(platform)
    newer = platform.train(MARCH)
    model_versions.promote(platform.settings, newer.version, "Trained on February.")
    assert platform.materialise(FEBRUARY, "champion_performance").success
    assert rows(platform) == before
    with platform.warehouse.reading() as connection:
        (found,) = read_champion_performance(connection, MARCH)
        assert read_champion_performance(connection, FEBRUARY.plus(-1)) == []
    (overall,) = [row for row in before if (row["slice"], row["scope"]) == ("overall", PRIMARY_SCOPE.name)]
    share, width = overall["inside"] / overall["trips"], overall["interval_rms_minutes"]
    errors = [overall[name] for name in ("trips", "rmse", "mae", "bias")]
    assert found == MonthPerformance(FEBRUARY, of_january.version, *errors, share, width)


def test_a_champion_that_may_have_seen_the_month_is_not_measured(platform: PlatformHarness) -> None:
    version = platform.train(MARCH)
    model_versions.promote(platform.settings, version.version, "Trained on February.")
    expected = f"champion {version.version} was trained on 2023-02: it may have seen 2023-02"
    assert reason(platform, FEBRUARY) == expected
    result = platform.materialise(FEBRUARY, "champion_performance")
    assert result.success
    assert platform.metadata(platform.find(result.run_id), "champion_performance")["not_measured"].value == expected


def test_a_champion_whose_model_is_damaged_is_not_measured(platform: PlatformHarness, of_january: Version) -> None:
    file = Path(model_file(platform.settings, of_january).place)
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    try:
        assert reason(platform, FEBRUARY) == f"the model of champion {of_january.version} is missing or damaged"
    finally:
        file.write_bytes(content)


@pytest.mark.slow
def test_after_the_decision_the_champion_before_it_is_measured(platform: PlatformHarness, of_january: Version) -> None:
    promoted = platform.train(MARCH).version
    decide(platform, promoted, of_january.version, day=1)
    decide(platform, promoted, promoted, day=2)  # decided again
    found = champion_before(platform.settings, platform.warehouse, DECIDED)
    assert found
    assert found.version == of_january.version


def test_a_champion_that_was_decided_on_again_is_measured_itself(
    platform: PlatformHarness, of_january: Version
) -> None:
    decide(platform, of_january.version, None, day=1, month=DECIDED)
    decide(platform, of_january.version, None, day=2, month=DECIDED.plus(1))
    try:
        found = champion_before(platform.settings, platform.warehouse, DECIDED.plus(1))
        assert found
        assert found.version == of_january.version
        assert champion_before(platform.settings, platform.warehouse, DECIDED) is None
    finally:
        with platform.warehouse.publishing("as before") as connection:
            connection.execute("DELETE FROM promotions WHERE month = ?", [DECIDED.plus(1).first_day])


def test_the_same_trips_are_predicted_once(platform: PlatformHarness, of_january: Version) -> None:
    trips = read_evaluation_trips(platform.warehouse, ("green",), FEBRUARY, TRIPS_1_TO_180_MINUTES)
    condition = CONDITIONS[platform.settings.served_condition]
    first = predict_version(platform.settings, of_january, trips, condition)
    assert predict_version(platform.settings, of_january, trips.copy(), condition) is first
    fewer = predict_version(platform.settings, of_january, trips[1:], condition)
    assert len(fewer.minutes) == len(first.minutes) - 1


def pickled(platform: PlatformHarness, version: Version) -> Any:
    return model_versions.load_sklearn(platform.settings, version)
