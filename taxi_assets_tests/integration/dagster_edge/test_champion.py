"""Which version is champion, through the assets: better challengers become it, the others are refused with reasons."""

from getpass import getuser
from typing import Any

import numpy as np
import pytest
from challengers import Altered, Enlightened, register
from town import APRIL, FEBRUARY, JANUARY, MARCH, Town, run_of

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation import evaluate, record_evaluation
from taxi_assets.features.trip_features import MODEL_INPUTS
from taxi_assets.months import Month
from taxi_assets.promotion.champion import choose_champion
from taxi_assets.promotion.decision import Decision
from taxi_assets.registry import model_versions, tracking
from taxi_assets.training.dataset import read_scored
from taxi_assets.training.evaluation_scope import ALL_RIDES
from taxi_assets.warehouse.connection import Warehouse

# Trees that have hardly begun to learn.
POOR: dict[str, Any] = {"max_iter": 1, "learning_rate": 0.01}


@pytest.fixture
def poor(town: Town) -> model_versions.Version:
    """A champion that is easily beaten."""
    version = town.train(MARCH, **POOR)
    model_versions.promote(town.settings, version.version, "To be beaten.")
    return version


def decide(town: Town, month: Month = MARCH) -> Decision:
    """What the assets decide on the month's version."""
    result = town.materialise(month, "model_evaluation", "champion_model")
    assert result.success
    row = decided(town, month, evaluate.version_for(town.settings, month))
    shown = town.metadata(town.find(result.run_id), "champion_model")
    assert shown["decision"].value == ("promoted" if row["is_promoted"] else "not promoted")
    assert all(reason in str(shown["reasons"].value) for reason in row["reasons"])
    return Decision(row["is_promoted"], tuple(row["reasons"]))


def decide_oneself(town: Town, month: Month = MARCH) -> Decision:
    """What a person decides, without Dagster."""
    record_evaluation.keep_evaluation(town.warehouse, evaluate.evaluate(town.settings, town.warehouse, month))
    return choose_champion(town.settings, town.warehouse, month).decision


def decided(town: Town, month: Month, version: model_versions.Version) -> dict[str, Any]:
    with town.warehouse.reading() as connection:
        query = "SELECT * FROM promotions WHERE month = ? AND model_version = ?"
        rows = connection.execute(query, [month.first_day, version.version])
        names = [column[0] for column in rows.description]
        (row,) = rows.fetchall()
    return dict(zip(names, row, strict=True))


def champion(town: Town) -> model_versions.Version:
    found = model_versions.champion(town.settings)
    assert found
    return found


def tags(town: Town, version: model_versions.Version) -> dict[str, str]:
    found = model_versions.chosen_for(town.settings, MARCH)
    assert found
    assert found.version == version.version
    return dict(found.tags)


def test_the_first_version_became_champion(town: Town) -> None:
    with town.warehouse.reading() as connection:
        query = "SELECT is_promoted, reasons FROM promotions WHERE month = ? ORDER BY model_version LIMIT 1"
        ((is_promoted, reasons),) = connection.execute(query, [MARCH.first_day]).fetchall()
    assert is_promoted
    assert "There was no champion." in reasons


def test_the_first_decision_shows_the_model_against_the_baselines(town: Town) -> None:
    shown = town.metadata(run_of(town, "month"), "champion_model", MARCH)
    assert "model_against_baselines](data:image/png" in str(shown["pictures"].value)
    assert str(shown["report"].value).startswith("/go/reports/champion_model/2023-03")


# Who is promoted


def test_a_truly_better_challenger_becomes_champion_with_its_evidence(town: Town, poor: model_versions.Version) -> None:
    good = register(town, MARCH, "truly better", Enlightened())
    decision = decide(town)
    assert decision.promote, decision.reasons
    row, noted = decided(town, MARCH, good), tags(town, good)
    assert champion(town).version == good.version
    assert (row["champion_version"], noted["replaced_version"]) == (poor.version, str(poor.version))
    assert noted["promotion_reason"] == " ".join(decision.reasons)
    assert row["difference_low"] < row["difference_minutes"] < row["difference_high"] < 0
    assert row["rmse"] - row["champion_rmse"] == pytest.approx(row["difference_minutes"])
    assert row["rides"] > 2_000
    assert row["days"] == 31  # trips dated outside of March make no days
    assert (row["convention"], row["condition"]) == ("course", "without_recent_traffic")
    assert row["worst_slice"].split(":")[0] in {"pickup_borough", "airport_ride", "hour_band"}

    assert (row["decided_by"], row["run_id"]) == ("asset champion_model", town.last_run().run_id)
    assert row["decided_at"]
    assert row["snapshot"] in town.warehouse.snapshots()
    for name in ("rides", "difference_minutes", "difference_high", "worst_slice", "champion_version", "run_id"):
        assert noted[f"decision_{name}"] == str(row[name])
    assert noted["decision"] == "promoted"
    assert "refusal" not in noted

    shown = town.metadata(town.last_run(), "champion_model")
    assert shown["champion"].value == good.version
    assert str(shown["mlflow_version"].value).startswith("/go/mlflow/#/models/taxi-duration/versions/")
    assert "difference_of_rmse_resampled_by_day](data:image/png" in str(shown["pictures"].value)
    assert shown["difference_minutes"].value == pytest.approx(row["difference_minutes"], abs=5e-4)
    assert tracking.run_facts(town.settings, good.run_id).metrics["difference_minutes"] == row["difference_minutes"]
    slices = {record.data["slice"] for record in shown["slices"].records}
    assert slices == {"pickup_borough", "airport_ride", "hour_band"}


# Who is refused, and why


def test_a_challenger_trained_on_shuffled_targets_is_refused(town: Town) -> None:
    before = champion(town)
    shuffled = register(town, MARCH, "shuffled targets", shuffle_targets=True)
    decision = decide(town)
    assert not decision.promote
    assert any("is not below" in reason and "zone_pair_hour_median" in reason for reason in decision.reasons)
    assert any(f"Champion {before.version} is no worse" in reason for reason in decision.reasons)
    assert champion(town).version == before.version
    assert tags(town, shuffled)["refusal"] == " ".join(decision.reasons)
    assert tags(town, shuffled)["decision"] == "refused"


def test_a_challenger_that_gains_at_one_boroughs_cost_is_refused(town: Town, poor: model_versions.Version) -> None:
    with town.warehouse.reading() as connection:
        query = "SELECT zone_id FROM taxi_zones WHERE borough = 'Brooklyn'"
        brooklyn = tuple(row[0] for row in connection.execute(query).fetchall())
    model = model_versions.load_sklearn(town.settings, poor)
    register(town, MARCH, "at Brooklyn's cost", Altered(Enlightened(), model, brooklyn, 1.15))
    decision = decide(town)
    assert not decision.promote
    assert any("pickup_borough 'Brooklyn' the RMSE grows by" in reason for reason in decision.reasons)
    assert not any("may be chance" in reason or "no worse" in reason for reason in decision.reasons)
    assert champion(town).version == poor.version


@pytest.mark.slow
def test_a_challenger_better_by_luck_on_200_trips_is_refused(
    town: Town, tmp_path: Any, poor: model_versions.Version
) -> None:
    town.land(APRIL, tmp_path, rows=210)
    town.run("ingest_months", [APRIL])
    rides, model = (
        read_scored(town.warehouse, ("green",), APRIL, ALL_RIDES),
        model_versions.load_sklearn(town.settings, poor),
    )
    errors = {luck: rmse(rides, Altered(model, luck=luck)) for luck in range(12)}
    lucky = Altered(model, luck=min(errors, key=lambda luck: errors[luck]))
    assert rmse(rides, lucky) < rmse(rides, model)
    register(town, APRIL, "luck", lucky)
    decision = decide(town, APRIL)
    assert not decision.promote
    assert any("are too few to tell luck from merit" in reason for reason in decision.reasons)
    assert any("champion" in reason and "may be chance" in reason for reason in decision.reasons)


def rmse(rides: Any, model: Any) -> float:
    errors = model.predict(rides[list(MODEL_INPUTS)]) - rides["duration_minutes"].to_numpy()
    return float(np.sqrt((errors**2).mean()))


def test_a_champion_that_saw_the_rides_is_not_compared_on_them(town: Town) -> None:
    seen = champion(town)  # learned from January and February
    challenger = town.train(FEBRUARY)
    decision = decide_oneself(town, FEBRUARY)
    assert not decision.promote
    assert "may have seen the rides of 2023-02" in " ".join(decision.reasons)
    row = decided(town, FEBRUARY, challenger)
    assert (row["champion_version"], row["champion_rmse"], row["difference_minutes"]) == (seen.version, None, None)
    assert champion(town).version == seen.version != challenger.version


def test_a_ride_learned_from_out_of_another_months_file_is_found(town: Town) -> None:
    with town.warehouse.publishing("a ride of March is among February's, as in lakes of before") as connection:
        connection.execute(
            "INSERT INTO trip_features BY NAME SELECT * REPLACE (DATE '2023-02-01' AS month, 9000000 AS source_row) "
            "FROM trip_features WHERE month = DATE '2023-03-01' LIMIT 1"
        )
    register(town, MARCH, "after the ride was learned from", Enlightened())
    decision = decide_oneself(town)
    row = decided(town, MARCH, evaluate.version_for(town.settings, MARCH))
    with town.warehouse.publishing("it goes") as connection:
        connection.execute("DELETE FROM trip_features WHERE source_row = 9000000")
    assert not decision.promote
    assert any("learned from 1 of the rides of 2023-03" in reason for reason in decision.reasons)
    figures = ("rmse", "champion_rmse", "difference_minutes", "difference_low", "worst_slice")
    assert [row[name] for name in figures] == [None] * len(figures)


# Again, and cut off


@pytest.mark.slow
def test_deciding_again_changes_nothing_and_a_decision_cut_off_is_taken_again(
    town: Town, poor: model_versions.Version
) -> None:
    good = register(town, MARCH, "truly better", Enlightened())
    first = decide_oneself(town)
    rows, noted = town.content()["promotions"], champion(town)
    assert choose_champion(town.settings, town.warehouse, MARCH).decision == first
    assert (town.content()["promotions"], champion(town)) == (rows, noted)
    model_versions.promote(town.settings, poor.version, "as if the process had died before it named the new one")
    assert choose_champion(town.settings, town.warehouse, MARCH).decision == first
    assert champion(town).version == good.version
    row = decided(town, MARCH, good)
    assert (row["decided_by"], row["run_id"]) == (getuser(), None)


def test_without_a_version_there_is_nothing_to_decide(town: Town) -> None:
    with pytest.raises(TaxiError, match="no model was trained for 2023-01"):
        choose_champion(town.settings, town.warehouse, JANUARY)


def test_without_its_evaluation_nothing_is_decided(town: Town) -> None:
    version = register(town, MARCH, "never evaluated", Enlightened())
    with pytest.raises(
        TaxiError, match=f"version {version.version} was not evaluated on 2023-03 without recent traffic: materialise"
    ):
        choose_champion(town.settings, town.warehouse, MARCH)


# An older training found again


def test_a_training_found_again_is_the_one_that_is_scored_and_decided_on(town: Town) -> None:
    older, newer = town.train(MARCH), town.train(MARCH, max_iter=7)
    assert older.version < newer.version
    town.train(MARCH)
    result = town.materialise(MARCH, "model_evaluation")
    assert town.metadata(town.find(result.run_id), "model_evaluation")["version"].value == older.version
    assert evaluate.version_for(town.settings, MARCH).version == older.version


def test_a_promotion_of_an_older_lake_gets_the_new_columns(town: Town, tmp_path: Any) -> None:
    from taxi_assets.settings import Settings

    settings = Settings(home=tmp_path / "home", data="synthetic", threads=2, memory_limit="1GB")
    old = Warehouse(settings)
    with old.publishing("as before") as connection:
        connection.execute("DROP TABLE promotions")
        connection.execute("CREATE TABLE promotions (month DATE, model_version BIGINT)")
        connection.execute("INSERT INTO promotions VALUES (DATE '2023-03-01', 1)")
    (settings.warehouse / "tables.json").unlink()
    with Warehouse(settings).reading() as connection:
        assert connection.execute("SELECT model_version, rides, reasons FROM promotions").fetchall() == [
            (1, None, None)
        ]
