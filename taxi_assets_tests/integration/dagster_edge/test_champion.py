"""Promotion through the assets: better challengers become champion, others are refused with reasons."""

from getpass import getuser
from typing import Any

import numpy as np
import pytest
from challenger_models import OracleModel, PerturbedModel, register
from platform_harness import APRIL, FEBRUARY, JANUARY, MARCH, PlatformHarness, evidence_file, first_run_of
from test_drift_reports import delete_month

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation import evaluate, record_evaluation
from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.files import sha256_of
from taxi_assets.ingestion.retry_files import accept
from taxi_assets.months import Month
from taxi_assets.promotion.champion import decide_champion
from taxi_assets.promotion.decision import Decision, read_decision
from taxi_assets.registry import model_versions, tracking
from taxi_assets.training.dataset import read_evaluation_trips
from taxi_assets.training.evaluation_scope import TRIPS_1_TO_180_MINUTES
from taxi_assets.warehouse.connection import Warehouse

# Too few trees for a good model.
POOR: dict[str, Any] = {"max_iter": 1, "learning_rate": 0.01}


@pytest.fixture
def weak_challenger(platform: PlatformHarness) -> model_versions.Version:
    """A weak champion."""
    version = platform.train(MARCH, **POOR)
    model_versions.promote(platform.settings, version.version, "To be beaten.")
    return version


def decide(platform: PlatformHarness, month: Month = MARCH) -> Decision:
    """The assets' promotion decision on the month's version."""
    result = platform.materialise(month, "model_evaluation", "champion_model")
    assert result.success
    version = evaluate.require_month_version(platform.settings, month)
    row = decided(platform, month, version)
    shown = platform.metadata(platform.find(result.run_id), "champion_model")
    assert shown["decision"].value == ("promoted" if row["is_promoted"] else "not promoted")
    assert all(reason in str(shown["reasons"].value) for reason in row["reasons"])
    recorded, state = evidence_file(platform, shown, "decision.json"), "promoted" if row["is_promoted"] else "refused"
    assert [recorded["version"], recorded["state"], *recorded["reasons"]] == [version.version, state, *row["reasons"]]
    return Decision(row["is_promoted"], tuple(row["reasons"]))


def decide_as_person(platform: PlatformHarness, month: Month = MARCH) -> Decision:
    """The promotion decision outside of Dagster."""
    evaluation = evaluate.evaluate(platform.settings, platform.warehouse, month)
    record_evaluation.record_evaluation(platform.warehouse, evaluation)
    return decide_champion(platform.settings, platform.warehouse, month).decision


def decided(platform: PlatformHarness, month: Month, version: model_versions.Version) -> dict[str, Any]:
    with platform.warehouse.reading() as connection:
        found = read_decision(connection, version.version, month)
    assert found
    return found


def champion(platform: PlatformHarness) -> model_versions.Version:
    found = model_versions.champion(platform.settings)
    assert found
    return found


def tags(platform: PlatformHarness, version: model_versions.Version) -> dict[str, str]:
    found = model_versions.get_month_version(platform.settings, MARCH)
    assert found
    assert found.version == version.version
    return dict(found.tags)


def test_the_first_version_became_champion(platform: PlatformHarness) -> None:
    with platform.warehouse.reading() as connection:
        query = "SELECT is_promoted, reasons FROM promotions WHERE month = ? ORDER BY model_version LIMIT 1"
        ((is_promoted, reasons),) = connection.execute(query, [MARCH.first_day]).fetchall()
    assert is_promoted
    assert "There was no champion." in reasons


def test_the_first_decision_shows_the_model_against_the_baselines(platform: PlatformHarness) -> None:
    shown = platform.metadata(first_run_of(platform, "train_month"), "champion_model", MARCH)
    assert "model_against_baselines](data:image/png" in str(shown["pictures"].value)
    assert str(shown["report"].value).startswith("/go/reports/champion_model/2023-03")


# Promotions


def test_better_challenger_is_promoted_with_its_evidence(
    platform: PlatformHarness, weak_challenger: model_versions.Version
) -> None:
    good = register(platform, MARCH, "truly better", OracleModel())
    decision = decide(platform)
    assert decision.promote, decision.reasons
    row, noted = decided(platform, MARCH, good), tags(platform, good)
    assert champion(platform).version == good.version
    assert (row["champion_version"], noted["replaced_version"]) == (
        weak_challenger.version,
        str(weak_challenger.version),
    )
    assert noted["promotion_reason"] == " ".join(decision.reasons)
    assert row["difference_low"] < row["difference_minutes"] < row["difference_high"] < 0
    assert row["rmse"] - row["champion_rmse"] == pytest.approx(row["difference_minutes"])
    assert row["trips"] > 2_000
    assert row["days"] == 31  # trips dated outside of March add no days
    assert (row["scope"], row["condition"]) == ("1_to_60_minutes", "without_recent_traffic")
    assert row["worst_slice"].split(":")[0] in {"pickup_borough", "airport_trip", "hour_band"}

    assert (row["decided_by"], row["run_id"]) == ("asset champion_model", platform.last_run().run_id)
    assert row["decided_at"]
    assert row["snapshot"] in platform.warehouse.snapshots()
    for name in ("trips", "difference_minutes", "difference_high", "worst_slice", "champion_version", "run_id"):
        assert noted[f"decision_{name}"] == str(row[name])
    assert noted["decision"] == "promoted"
    assert "refusal" not in noted

    shown = platform.metadata(platform.last_run(), "champion_model")
    assert shown["champion"].value == good.version
    assert str(shown["mlflow_version"].value).startswith("/go/mlflow/#/models/taxi-duration/versions/")
    assert "difference_of_rmse_resampled_by_day](data:image/png" in str(shown["pictures"].value)
    assert shown["difference_minutes"].value == pytest.approx(row["difference_minutes"], abs=5e-4)
    assert (
        tracking.get_logged_run(platform.settings, good.run_id).metrics["difference_minutes"]
        == row["difference_minutes"]
    )
    slices = [(record.data["slice"], record.data["trips"]) for record in shown["slices"].records]
    assert {name for name, _ in slices} == {"pickup_borough", "airport_trip", "hour_band"}
    recorded = evidence_file(platform, shown, "comparison.json")["comparison"]
    assert slices == [(each["slice"], each["trips"]) for each in recorded["slices"]]


# Refusals


@pytest.mark.slow
def test_a_challenger_trained_on_shuffled_targets_is_refused(platform: PlatformHarness) -> None:
    before = champion(platform)
    shuffled = register(platform, MARCH, "shuffled targets", shuffle_targets=True)
    decision = decide_as_person(platform)
    assert not decision.promote
    assert any("is not below" in reason and "zone_pair_hour_median" in reason for reason in decision.reasons)
    assert any(f"Champion {before.version} is no worse" in reason for reason in decision.reasons)
    assert champion(platform).version == before.version
    assert tags(platform, shuffled)["refusal"] == " ".join(decision.reasons)
    assert tags(platform, shuffled)["decision"] == "refused"


@pytest.mark.slow
def test_challenger_that_worsens_one_borough_is_refused(
    platform: PlatformHarness, weak_challenger: model_versions.Version
) -> None:
    with platform.warehouse.reading() as connection:
        query = "SELECT zone_id FROM taxi_zones WHERE borough = 'Brooklyn'"
        brooklyn = tuple(row[0] for row in connection.execute(query).fetchall())
    model = model_versions.load_sklearn(platform.settings, weak_challenger)
    register(platform, MARCH, "at Brooklyn's cost", PerturbedModel(OracleModel(), model, brooklyn, 1.15))
    decision = decide_as_person(platform)
    assert not decision.promote
    assert any("pickup_borough 'Brooklyn' the RMSE grows by" in reason for reason in decision.reasons)
    assert not any("may be chance" in reason or "no worse" in reason for reason in decision.reasons)
    assert champion(platform).version == weak_challenger.version


@pytest.mark.slow
def test_the_margin_is_set_in_the_launchpad(platform: PlatformHarness, weak_challenger: model_versions.Version) -> None:
    good = register(platform, MARCH, "truly better", OracleModel())
    result = platform.materialise(MARCH, "model_evaluation", "champion_model", promotion={"margin_minutes": 100})
    assert result.success
    assert not (row := decided(platform, MARCH, good))["is_promoted"]
    assert row["reasons"][-1].endswith("the whole interval should be below -100.")
    shown = platform.metadata(platform.find(result.run_id), "champion_model")
    assert shown["decision"].value == "not promoted"
    assert str(shown["reasons"].value).endswith(row["reasons"][-1])
    assert champion(platform).version == weak_challenger.version
    assert decide_champion(platform.settings, platform.warehouse, MARCH).decision.promote


@pytest.mark.slow
def test_challenger_with_a_random_gain_on_200_trips_is_refused(
    platform: PlatformHarness, tmp_path: Any, weak_challenger: model_versions.Version
) -> None:
    sha256 = sha256_of(platform.land(APRIL, tmp_path, rows=210))
    with pytest.raises(TaxiError, match="waits to be accepted"):
        platform.run("ingest_months", [APRIL])
    accept(platform.warehouse, sha256)
    platform.run("ingest_months", [APRIL])
    trips = read_evaluation_trips(platform.warehouse, ("green",), APRIL, TRIPS_1_TO_180_MINUTES)
    model = model_versions.load_sklearn(platform.settings, weak_challenger)
    errors = {noise_seed: rmse(trips, PerturbedModel(model, noise_seed=noise_seed)) for noise_seed in range(12)}
    lucky = PerturbedModel(model, noise_seed=min(errors, key=lambda noise_seed: errors[noise_seed]))
    assert rmse(trips, lucky) < rmse(trips, model)
    register(platform, APRIL, "lucky", lucky)
    decision = decide(platform, APRIL)
    delete_month(platform)
    assert not decision.promote
    assert any("are too few for a significant difference" in reason for reason in decision.reasons)
    assert any("champion" in reason and "may be chance" in reason for reason in decision.reasons)


def rmse(trips: Any, model: Any) -> float:
    errors = model.predict(trips[list(MODEL_INPUTS)]) - trips["duration_minutes"].to_numpy()
    return float(np.sqrt((errors**2).mean()))


@pytest.mark.slow
def test_champion_is_not_compared_on_its_training_trips(platform: PlatformHarness) -> None:
    seen = champion(platform)  # trained on January and February
    challenger = platform.train(FEBRUARY)
    decision = decide_as_person(platform, FEBRUARY)
    assert not decision.promote
    assert "may have seen the trips of 2023-02" in " ".join(decision.reasons)
    row = decided(platform, FEBRUARY, challenger)
    assert (row["champion_version"], row["champion_rmse"], row["difference_minutes"]) == (seen.version, None, None)
    assert champion(platform).version == seen.version != challenger.version


def test_training_trip_from_another_months_file_is_detected(platform: PlatformHarness) -> None:
    with platform.warehouse.publishing("a trip of March is among February's, as in lakes of before") as connection:
        connection.execute(
            "INSERT INTO kept_trips BY NAME SELECT * REPLACE (DATE '2023-02-01' AS month, 9000000 AS source_row) "
            "FROM kept_trips WHERE month = DATE '2023-03-01' AND duration_minutes BETWEEN 5 AND 30 "
            "ORDER BY source_row LIMIT 1"
        )
    register(platform, MARCH, "trained on the trip", OracleModel())
    decision = decide_as_person(platform)
    row = decided(platform, MARCH, evaluate.require_month_version(platform.settings, MARCH))
    with platform.warehouse.publishing("it goes") as connection:
        connection.execute("DELETE FROM kept_trips WHERE source_row = 9000000")
    assert not decision.promote
    assert any("was trained on 1 of the trips of 2023-03" in reason for reason in decision.reasons)
    figures = ("rmse", "champion_rmse", "difference_minutes", "difference_low", "worst_slice")
    assert [row[name] for name in figures] == [None] * len(figures)


# Repeated and interrupted decisions


@pytest.mark.slow
def test_repeated_or_interrupted_decision_gives_the_same_result(
    platform: PlatformHarness, weak_challenger: model_versions.Version
) -> None:
    good = register(platform, MARCH, "truly better", OracleModel())
    first = decide_as_person(platform)
    rows, noted = platform.table_digests()["promotions"], champion(platform)
    assert decide_champion(platform.settings, platform.warehouse, MARCH).decision == first
    assert (platform.table_digests()["promotions"], champion(platform)) == (rows, noted)
    model_versions.promote(
        platform.settings, weak_challenger.version, "as if the process had died before it named the new one"
    )
    assert decide_champion(platform.settings, platform.warehouse, MARCH).decision == first
    assert champion(platform).version == good.version
    row = decided(platform, MARCH, good)
    assert (row["decided_by"], row["run_id"]) == (getuser(), None)


def test_decision_without_a_version_is_an_error(platform: PlatformHarness) -> None:
    with pytest.raises(TaxiError, match="no model was trained for 2023-01"):
        decide_champion(platform.settings, platform.warehouse, JANUARY)


def test_decision_without_an_evaluation_is_an_error(platform: PlatformHarness) -> None:
    version = register(platform, MARCH, "never evaluated", OracleModel())
    with pytest.raises(
        TaxiError, match=f"version {version.version} was not evaluated on 2023-03 without recent traffic: materialise"
    ):
        decide_champion(platform.settings, platform.warehouse, MARCH)


# Reuse of an older training


def test_reused_training_is_scored_and_decided_on(platform: PlatformHarness) -> None:
    older, newer = platform.train(MARCH), platform.train(MARCH, max_iter=7)
    assert older.version < newer.version
    platform.train(MARCH)
    result = platform.materialise(MARCH, "model_evaluation")
    assert platform.metadata(platform.find(result.run_id), "model_evaluation")["version"].value == older.version
    assert evaluate.require_month_version(platform.settings, MARCH).version == older.version


def test_promotions_of_an_older_release_get_the_new_columns(platform: PlatformHarness, tmp_path: Any) -> None:
    from taxi_assets.settings import Settings

    settings = Settings(home=tmp_path / "home", data_kind="synthetic", threads=1, memory_limit="1GB")
    old = Warehouse(settings)
    with old.publishing("as before") as connection:
        connection.execute("DROP TABLE promotions")
        connection.execute("CREATE TABLE promotions (month DATE, model_version BIGINT)")
        connection.execute("INSERT INTO promotions VALUES (DATE '2023-03-01', 1)")
    (settings.warehouse / "tables.json").unlink()
    with Warehouse(settings).reading() as connection:
        assert connection.execute("SELECT model_version, trips, reasons FROM promotions").fetchall() == [
            (1, None, None)
        ]
