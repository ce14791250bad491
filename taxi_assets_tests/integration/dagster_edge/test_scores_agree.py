"""All ways to score a version on a month give the same RMSE."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_model
from challenger_models import OracleModel, register
from platform_harness import MARCH, TINY, PlatformHarness

from taxi_assets.cli.run_report import run_summary
from taxi_assets.evaluation import evaluate
from taxi_assets.evaluation.backtest import BacktestSpec, backtest
from taxi_assets.evaluation.metrics import score
from taxi_assets.promotion import build_evidence
from taxi_assets.promotion.policy import PROMOTION_POLICY
from taxi_assets.registry import model_versions
from taxi_assets.serving.packaging.onnx_export import write_serving_folder
from taxi_assets.training.conditions import CONDITIONS
from taxi_assets.training.dataset import read_evaluation_trips
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE, TRIPS_1_TO_180_MINUTES

SERVED, OTHER = CONDITIONS


@pytest.fixture(scope="module")
def version(shared_platform: PlatformHarness) -> model_versions.Version:
    """The platform's first version."""
    return model_versions.require(shared_platform.settings, 1)


@pytest.fixture(scope="module")
def recorded(shared_platform: PlatformHarness, version: model_versions.Version) -> dict[tuple[str, str], float]:
    """The RMSE that `model_evaluation` stored, by condition and model."""
    with shared_platform.warehouse.reading() as connection:
        query = (
            "SELECT condition, model, rmse FROM evaluations WHERE month = ? AND model_version = ? "
            "AND scope = '1_to_60_minutes' AND slice = 'overall'"
        )
        rows = connection.execute(query, [MARCH.first_day, version.version]).fetchall()
    return {(condition, model): rmse for condition, model, rmse in rows}


@pytest.fixture(scope="module")
def backtested(shared_platform: PlatformHarness, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    asked = BacktestSpec(shared_platform.warehouse, tmp_path_factory.mktemp("kept"), print, TINY)
    (month,) = backtest(asked, [MARCH])["months"]
    return dict(month)


@pytest.mark.slow
def test_the_backtest_finds_what_the_evaluation_found(recorded: Any, backtested: dict[str, Any]) -> None:
    assert backtested["condition"] == SERVED
    assert backtested["model"]["rmse"] == pytest.approx(recorded[SERVED, "duration_model"], abs=1e-9)
    assert backtested["other_conditions"][OTHER]["rmse"] == pytest.approx(recorded[OTHER, "duration_model"], abs=1e-9)
    baselines = {name: found["rmse"] for name, found in backtested["baselines"].items()}
    assert baselines == pytest.approx({name: rmse for (_, name), rmse in recorded.items() if name != "duration_model"})
    assert len(baselines) == 3


def test_the_promotion_decides_on_the_headline(
    platform: PlatformHarness, version: model_versions.Version, recorded: Any
) -> None:
    with platform.warehouse.reading() as connection:
        query = "SELECT condition, scope, rmse FROM promotions WHERE month = ? AND model_version = ?"
        ((condition, scope, rmse),) = connection.execute(query, [MARCH.first_day, version.version]).fetchall()
    assert (condition, scope) == (SERVED, "1_to_60_minutes")
    assert rmse == pytest.approx(recorded[SERVED, "duration_model"], abs=1e-9)


def test_champion_comparison_uses_the_same_rmse(
    platform: PlatformHarness, version: model_versions.Version, recorded: Any
) -> None:
    other = register(platform, MARCH, "beside the first", OracleModel())
    trips = read_evaluation_trips(platform.warehouse, ("green",), MARCH, TRIPS_1_TO_180_MINUTES)
    comparison = build_evidence._compare(platform.settings, platform.warehouse, trips, other, version, PROMOTION_POLICY)
    assert comparison
    assert comparison.champion_rmse == pytest.approx(recorded[SERVED, "duration_model"], abs=1e-9)


def test_printed_and_logged_rmse_is_the_headline(
    platform: PlatformHarness, version: model_versions.Version, recorded: Any
) -> None:
    facts = run_summary(platform.settings, [MARCH], {}, {})
    assert facts["score"]["model"]["rmse"] == recorded[SERVED, "duration_model"]
    assert facts["score"]["other_conditions"][OTHER]["rmse"] == recorded[OTHER, "duration_model"]
    run = platform.mlflow_runs(version.tags["dagster_run_id"])[0]
    assert run.data.metrics["1_to_60_minutes/duration_model/rmse"] == recorded[SERVED, "duration_model"]
    assert run.data.metrics[f"{OTHER}/1_to_60_minutes/duration_model/rmse"] == recorded[OTHER, "duration_model"]


def test_recomputed_and_served_rmse_is_the_headline(
    platform: PlatformHarness, version: model_versions.Version, recorded: Any, tmp_path: Path
) -> None:
    model = model_versions.load_sklearn(platform.settings, version)
    for condition in CONDITIONS:
        found = evaluate.rescore(platform.warehouse, model, ("green",), MARCH, condition)
        assert found["1_to_60_minutes"].rmse == pytest.approx(recorded[condition, "duration_model"], abs=1e-9)
    trips = PRIMARY_SCOPE.in_scope(read_evaluation_trips(platform.warehouse, ("green",), MARCH, TRIPS_1_TO_180_MINUTES))
    served = write_serving_folder(model, tmp_path / "served", small_model.FACTS, small_model.ZONE_NAMES)
    fields = ("service_id", "pickup_at", "pickup_zone_id", "dropoff_zone_id", "passenger_count")
    asked = {name: trips[name].to_numpy() for name in fields[:-1]}
    asked["passenger_count"] = trips["passenger_count"].to_numpy(np.float64, na_value=np.nan)
    answered = score(trips["duration_minutes"].to_numpy(), served.predict_interval(asked).minutes)
    assert answered.rmse == pytest.approx(recorded[SERVED, "duration_model"], abs=1e-3)
