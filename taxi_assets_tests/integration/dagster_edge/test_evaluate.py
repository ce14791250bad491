"""Evaluation of a version on a month outside its training data, as stored in the warehouse."""

import dataclasses

import pytest
from platform_harness import FEBRUARY, JANUARY, MARCH, PlatformHarness

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation import evaluate, record_evaluation
from taxi_assets.registry import model_versions
from taxi_assets.training.dataset import read_evaluation_trips
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE


@pytest.fixture(scope="module")
def evaluation(shared_platform: PlatformHarness) -> evaluate.Evaluation:
    return evaluate.evaluate(shared_platform.settings, shared_platform.warehouse, MARCH)


def test_every_model_is_scored_on_the_same_trips(evaluation: evaluate.Evaluation) -> None:
    for models in evaluation.scores.values():
        assert len({score.trips for score in models.values()}) == 1
        assert "duration_model" in models
        assert len(models) >= 3
    assert (
        evaluation.scores["all"]["duration_model"].trips > evaluation.scores["1_to_60_minutes"]["duration_model"].trips
    )


def test_raw_trips_are_scored_not_only_clean_ones(platform: PlatformHarness, evaluation: evaluate.Evaluation) -> None:
    with platform.warehouse.reading() as connection:
        query = "SELECT count(*) FROM clean_trips WHERE month = ? AND duration_minutes BETWEEN 1 AND 180"
        clean = connection.execute(query, [MARCH.first_day]).fetchall()[0][0]
    assert evaluation.scores["all"]["duration_model"].trips > clean


def test_scored_trips_are_not_training_trips(evaluation: evaluate.Evaluation) -> None:
    assert evaluation.is_unseen
    seen = dataclasses.replace(
        evaluation,
        version=dataclasses.replace(evaluation.version, tags={**evaluation.version.tags, "months": "2023-01,2023-03"}),
    )
    assert not seen.is_unseen


def test_model_must_beat_the_baselines_in_every_scope(evaluation: evaluate.Evaluation) -> None:
    assert evaluation.beats_baselines
    best = evaluation.scores["all"]["duration_model"]
    worse = {**evaluation.scores["all"], "one_hot_linear_regression": dataclasses.replace(best, rmse=best.rmse)}
    assert not dataclasses.replace(evaluation, scores={**evaluation.scores, "all": worse}).beats_baselines


def test_storing_an_evaluation_again_replaces_it(platform: PlatformHarness, evaluation: evaluate.Evaluation) -> None:
    first = record_evaluation.record_evaluation(platform.warehouse, evaluation)
    before = platform.table_digests()["evaluations"]
    assert record_evaluation.record_evaluation(platform.warehouse, evaluation) == first
    assert platform.table_digests()["evaluations"] == before
    with platform.warehouse.reading() as connection:
        query = "SELECT count(*) FROM evaluations WHERE month = ? AND model_version = ?"
        values = [MARCH.first_day, evaluation.version.version]
        assert connection.execute(query, values).fetchall() == [(first,)]


def test_slices_add_up_to_all_trips(platform: PlatformHarness, evaluation: evaluate.Evaluation) -> None:
    record_evaluation.record_evaluation(platform.warehouse, evaluation)
    with platform.warehouse.reading() as connection:
        query = (
            "SELECT slice, sum(trips) FROM evaluations WHERE month = ? AND model_version = ? "
            "AND scope = '1_to_60_minutes' AND condition = 'without_recent_traffic' "
            "AND model = 'duration_model' GROUP BY slice"
        )
        trips = dict(connection.execute(query, [MARCH.first_day, evaluation.version.version]).fetchall())
    assert len(trips) > 1
    assert trips["pickup_borough"] == trips["pickup_day"] == trips["overall"]


def test_month_without_a_version_cannot_be_scored(platform: PlatformHarness) -> None:
    with pytest.raises(TaxiError, match="no model was trained for 2023-01: materialise duration_model"):
        evaluate.evaluate(platform.settings, platform.warehouse, JANUARY)


def test_month_without_trips_cannot_be_scored(platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    version = platform.train(FEBRUARY)
    yellow = dataclasses.replace(version, tags={**version.tags, "services": "yellow"})
    monkeypatch.setattr(model_versions, "get_month_version", lambda *_: yellow)
    with pytest.raises(TaxiError, match="yellow"):
        evaluate.evaluate(platform.settings, platform.warehouse, FEBRUARY)


def test_trip_dated_outside_of_the_month_is_not_scored(
    platform: PlatformHarness, evaluation: evaluate.Evaluation
) -> None:
    assert evaluation.unscored_trips == 0
    days = evaluation.extra_rows[evaluation.extra_rows["slice"] == "pickup_day"]
    assert set(days["value"]) == {f"2023-03-{day:02d}" for day in range(1, 32)}
    with platform.warehouse.publishing("a trip of 2008 in March's file") as connection:
        connection.execute(
            "INSERT INTO converted_trips BY NAME SELECT * REPLACE (9000000 AS source_row, "
            "TIMESTAMP '2008-12-31 08:00' AS pickup_at, TIMESTAMP '2008-12-31 08:10' AS dropoff_at) "
            "FROM raw_trips SEMI JOIN clean_trips USING (service, month, source_row) WHERE month = ? LIMIT 1",
            [MARCH.first_day],
        )
    scored = read_evaluation_trips(platform.warehouse, ("green",), MARCH, PRIMARY_SCOPE)
    counted = evaluate._count_in_scope(platform.warehouse, ("green",), MARCH, PRIMARY_SCOPE)
    with platform.warehouse.publishing("it goes") as connection:
        connection.execute("DELETE FROM converted_trips WHERE source_row = 9000000")
    assert len(scored) == counted == evaluation.scores["1_to_60_minutes"]["duration_model"].trips
