"""The same version on the same month, scored by every way there is: one number."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_model
from challengers import Enlightened, register
from town import MARCH, TINY, Town

from taxi_assets.cli.status_report import run_facts
from taxi_assets.evaluation import evaluate
from taxi_assets.evaluation.backtest import Backtest, backtest
from taxi_assets.evaluation.conditions import CONDITIONS
from taxi_assets.evaluation.metrics import score
from taxi_assets.promotion import evidence
from taxi_assets.registry import model_versions
from taxi_assets.serving.onnx_export import write_serving_folder
from taxi_assets.training.dataset import read_scored
from taxi_assets.training.evaluation_scope import ALL_RIDES, HEADLINE

SERVED, OTHER = CONDITIONS


@pytest.fixture(scope="module")
def version(shared_town: Town) -> model_versions.Version:
    """The version the town was founded with."""
    return model_versions.require(shared_town.settings, 1)


@pytest.fixture(scope="module")
def kept(shared_town: Town, version: model_versions.Version) -> dict[tuple[str, str], float]:
    """The RMSE that `model_evaluation` kept, by condition and model."""
    with shared_town.warehouse.reading() as connection:
        query = (
            "SELECT condition, model, rmse FROM evaluations WHERE month = ? AND model_version = ? "
            "AND convention = 'course' AND slice = 'overall'"
        )
        rows = connection.execute(query, [MARCH.first_day, version.version]).fetchall()
    return {(condition, model): rmse for condition, model, rmse in rows}


@pytest.fixture(scope="module")
def backtested(shared_town: Town, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    asked = Backtest(shared_town.warehouse, tmp_path_factory.mktemp("kept"), print, TINY)
    (month,) = backtest(asked, [MARCH])["months"]
    return dict(month)


def test_the_backtest_finds_what_the_evaluation_found(kept: Any, backtested: dict[str, Any]) -> None:
    assert backtested["condition"] == SERVED
    assert backtested["model"]["rmse"] == pytest.approx(kept[SERVED, "duration_model"], abs=1e-9)
    assert backtested["other_conditions"][OTHER]["rmse"] == pytest.approx(kept[OTHER, "duration_model"], abs=1e-9)
    baselines = {name: found["rmse"] for name, found in backtested["baselines"].items()}
    assert baselines == pytest.approx({name: rmse for (_, name), rmse in kept.items() if name != "duration_model"})
    assert len(baselines) == 3


def test_the_promotion_decides_on_the_headline(town: Town, version: model_versions.Version, kept: Any) -> None:
    with town.warehouse.reading() as connection:
        query = "SELECT condition, convention, rmse FROM promotions WHERE month = ? AND model_version = ?"
        ((condition, convention, rmse),) = connection.execute(query, [MARCH.first_day, version.version]).fetchall()
    assert (condition, convention) == (SERVED, "course")
    assert rmse == pytest.approx(kept[SERVED, "duration_model"], abs=1e-9)


def test_the_champion_is_compared_by_the_same_number(town: Town, version: model_versions.Version, kept: Any) -> None:
    other = register(town, MARCH, "beside the first", Enlightened())
    rides = read_scored(town.warehouse, ("green",), MARCH, ALL_RIDES)
    comparison = evidence._compare(town.settings, town.warehouse, rides, other, version)
    assert comparison
    assert comparison.champion_rmse == pytest.approx(kept[SERVED, "duration_model"], abs=1e-9)


def test_what_is_printed_and_tracked_is_the_headline(town: Town, version: model_versions.Version, kept: Any) -> None:
    facts = run_facts(town.settings, [MARCH], {}, {})
    assert facts["score"]["model"]["rmse"] == kept[SERVED, "duration_model"]
    assert facts["score"]["other_conditions"][OTHER]["rmse"] == kept[OTHER, "duration_model"]
    run = town.mlflow_runs(version.tags["dagster_run_id"])[0]
    assert run.data.metrics["course/duration_model/rmse"] == kept[SERVED, "duration_model"]
    assert run.data.metrics[f"{OTHER}/course/duration_model/rmse"] == kept[OTHER, "duration_model"]


def test_a_model_scored_anew_and_as_it_is_served_has_that_number(
    town: Town, version: model_versions.Version, kept: Any, tmp_path: Path
) -> None:
    model = model_versions.load_sklearn(town.settings, version)
    for condition in CONDITIONS:
        found = evaluate.rescore(town.warehouse, model, ("green",), MARCH, condition)
        assert found["course"].rmse == pytest.approx(kept[condition, "duration_model"], abs=1e-9)
    rides = HEADLINE.admitted(read_scored(town.warehouse, ("green",), MARCH, ALL_RIDES))
    served = write_serving_folder(model, tmp_path / "served", small_model.FACTS)
    fields = ("service_id", "pickup_at", "pickup_zone_id", "dropoff_zone_id", "passenger_count")
    asked = {name: rides[name].to_numpy() for name in fields[:-1]}
    asked["passenger_count"] = rides["passenger_count"].to_numpy(np.float64, na_value=np.nan)
    answered = score(rides["duration_minutes"].to_numpy(), served.predict(asked))
    assert answered.rmse == pytest.approx(kept[SERVED, "duration_model"], abs=1e-3)
