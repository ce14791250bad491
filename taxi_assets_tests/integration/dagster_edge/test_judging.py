"""A version's scores on a month it never saw, as the lake keeps them."""

import dataclasses

import pytest
from town import FEBRUARY, JANUARY, MARCH, Town

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation import evaluate, record_evaluation
from taxi_assets.registry import model_versions
from taxi_assets.training.dataset import read_scored
from taxi_assets.training.evaluation_scope import HEADLINE


@pytest.fixture(scope="module")
def evaluation(shared_town: Town) -> evaluate.Evaluation:
    return evaluate.evaluate(shared_town.settings, shared_town.warehouse, MARCH)


def test_every_model_is_scored_on_the_same_rides(evaluation: evaluate.Evaluation) -> None:
    for models in evaluation.scores.values():
        assert len({score.rides for score in models.values()}) == 1
        assert "duration_model" in models
        assert len(models) >= 3
    assert evaluation.scores["all"]["duration_model"].rides > evaluation.scores["course"]["duration_model"].rides


def test_raw_trips_are_scored_not_only_clean_ones(town: Town, evaluation: evaluate.Evaluation) -> None:
    with town.warehouse.reading() as connection:
        query = "SELECT count(*) FROM clean_trips WHERE month = ? AND duration_minutes BETWEEN 1 AND 180"
        clean = connection.execute(query, [MARCH.first_day]).fetchall()[0][0]
    assert evaluation.scores["all"]["duration_model"].rides > clean


def test_the_rides_were_not_learned_from(evaluation: evaluate.Evaluation) -> None:
    assert evaluation.is_unseen
    seen = dataclasses.replace(
        evaluation,
        version=dataclasses.replace(evaluation.version, tags={**evaluation.version.tags, "months": "2023-01,2023-03"}),
    )
    assert not seen.is_unseen


def test_a_model_beats_the_baselines_under_every_convention_or_not_at_all(evaluation: evaluate.Evaluation) -> None:
    assert evaluation.beats_baselines
    best = evaluation.scores["all"]["duration_model"]
    worse = {**evaluation.scores["all"], "one_hot_linear_regression": dataclasses.replace(best, rmse=best.rmse)}
    assert not dataclasses.replace(evaluation, scores={**evaluation.scores, "all": worse}).beats_baselines


def test_keeping_an_evaluation_again_replaces_it(town: Town, evaluation: evaluate.Evaluation) -> None:
    first = record_evaluation.keep_evaluation(town.warehouse, evaluation)
    before = town.content()["evaluations"]
    assert record_evaluation.keep_evaluation(town.warehouse, evaluation) == first
    assert town.content()["evaluations"] == before
    with town.warehouse.reading() as connection:
        query = "SELECT count(*) FROM evaluations WHERE month = ? AND model_version = ?"
        values = [MARCH.first_day, evaluation.version.version]
        assert connection.execute(query, values).fetchall() == [(first,)]


def test_slices_add_up_to_all_rides(town: Town, evaluation: evaluate.Evaluation) -> None:
    record_evaluation.keep_evaluation(town.warehouse, evaluation)
    with town.warehouse.reading() as connection:
        query = (
            "SELECT slice, sum(rides) FROM evaluations WHERE month = ? AND model_version = ? AND convention = 'course' "
            "AND condition = 'without_recent_traffic' AND model = 'duration_model' GROUP BY slice"
        )
        rides = dict(connection.execute(query, [MARCH.first_day, evaluation.version.version]).fetchall())
    assert len(rides) > 1
    assert rides["pickup_borough"] == rides["pickup_day"] == rides["overall"]


def test_a_month_nobody_trained_for_cannot_be_scored(town: Town) -> None:
    with pytest.raises(TaxiError, match="no model was trained for 2023-01: materialise duration_model"):
        evaluate.evaluate(town.settings, town.warehouse, JANUARY)


def test_a_month_without_rides_cannot_be_scored(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    version = town.train(FEBRUARY)
    yellow = dataclasses.replace(version, tags={**version.tags, "services": "yellow"})
    monkeypatch.setattr(model_versions, "chosen_for", lambda *_: yellow)
    with pytest.raises(TaxiError, match="yellow"):
        evaluate.evaluate(town.settings, town.warehouse, FEBRUARY)


def test_a_trip_dated_outside_of_the_month_is_neither_scored_nor_a_day(
    town: Town, evaluation: evaluate.Evaluation
) -> None:
    assert evaluation.left_out == 0
    days = evaluation.others[evaluation.others["slice"] == "pickup_day"]
    assert set(days["value"]) == {f"2023-03-{day:02d}" for day in range(1, 32)}
    with town.warehouse.publishing("a trip of 2008 in March's file") as connection:
        connection.execute(
            "INSERT INTO raw_trips BY NAME SELECT * REPLACE (9000000 AS source_row, "
            "TIMESTAMP '2008-12-31 08:00' AS pickup_at, TIMESTAMP '2008-12-31 08:10' AS dropoff_at) "
            "FROM raw_trips SEMI JOIN clean_trips USING (service, month, source_row) WHERE month = ? LIMIT 1",
            [MARCH.first_day],
        )
    scored = read_scored(town.warehouse, ("green",), MARCH, HEADLINE)
    counted = evaluate._count_admitted(town.warehouse, ("green",), MARCH, HEADLINE)
    with town.warehouse.publishing("it goes") as connection:
        connection.execute("DELETE FROM raw_trips WHERE source_row = 9000000")
    assert len(scored) == counted == evaluation.scores["course"]["duration_model"].rides
