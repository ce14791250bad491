"""Live errors by day and slice, estimates for days without feedback, and the champion's control chart."""

from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from taxi_assets.definitions import build
from taxi_assets.monitoring.live_flag import LiveFlag, newest_flag
from taxi_assets.monitoring.live_performance import read_live_performance, update_live_performance
from taxi_assets.plots.live_plots import draw_estimates, draw_live_errors
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

FIRST = datetime(2024, 5, 1, 8)
CHAMPION, SHADOW = 12, 13
RIDES = 300  # a day


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(Settings(home=tmp_path / "home", data_kind="synthetic", threads=1, memory_limit="1GB"))


def insert(warehouse: Warehouse, **tables: pd.DataFrame) -> None:
    with warehouse.publishing("rows") as connection:
        for name, rows in tables.items():
            connection.register("rows", rows)
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM rows")
            connection.unregister("rows")


def ride(
    warehouse: Warehouse, day: int, *, error: float = 4.0, width: float = 12.0, feedback: float = 1.0
) -> pd.DataFrame:
    """One day's rides of the champion and of a shadow, with feedback to a share of them."""
    draw = np.random.default_rng(day)
    ids = [f"d{day}r{number}" for number in range(RIDES)]
    actual = draw.uniform(10, 40, RIDES)
    minutes = actual + draw.normal(0, error, RIDES)
    answers = pd.DataFrame(
        {
            "request_id": ids,
            "answered_at": datetime(2024, 7, 1) + timedelta(days=day),  # another day than the pickup's
            "service": "green",
            "pickup_at": FIRST + timedelta(days=day),
            "pickup_zone_id": draw.integers(1, 200, RIDES),
            "dropoff_zone_id": draw.integers(1, 200, RIDES),
            "duration_minutes": minutes,
            "low_minutes": minutes - width / 2,
            "high_minutes": minutes + width / 2,
            "model_version": CHAMPION,
            "variant": "champion",
            "shadow_of": None,
        }
    )
    shadows = answers.assign(
        request_id="s" + answers["request_id"],
        duration_minutes=minutes + 2,
        model_version=SHADOW,
        variant="shadow 13",
        shadow_of=ids,
    )
    insert(warehouse, predictions=pd.concat([answers, shadows]))
    answered = answers.assign(actual_minutes=actual).head(int(feedback * RIDES))
    know(warehouse, answered)
    return answers.assign(actual_minutes=actual)


def know(warehouse: Warehouse, answers: pd.DataFrame) -> None:
    rows = answers[["request_id", "actual_minutes"]].assign(received_at=datetime(2024, 8, 1))
    if len(rows):
        insert(warehouse, feedback=rows)


def evaluate(warehouse: Warehouse, rmse: float = 4.0) -> None:
    """The champion's evaluation month: daily errors that vary by a tenth of a minute."""
    days = [f"2024-04-{day:02d}" for day in range(1, 31)]
    rows = pd.DataFrame(
        {
            "month": date(2024, 4, 1),
            "model_version": CHAMPION,
            "scope": "1_to_60_minutes",
            "condition": "without_recent_traffic",
            "model": "duration_model",
            "slice": "pickup_day",
            "value": days,
            "trips": 2_000,
            "rmse": rmse + np.random.default_rng(1).normal(0, 0.1, 30),
        }
    )
    insert(warehouse, evaluations=rows)


def measure(warehouse: Warehouse) -> tuple[date, ...]:
    return update_live_performance(warehouse.settings, warehouse, "run")


def rows(warehouse: Warehouse, variant: str = "champion", name: str = "overall") -> pd.DataFrame:
    table = read_live_performance(warehouse)
    return table[(table["variant"] == variant) & (table["slice"] == name)].reset_index(drop=True)


def test_errors_are_those_of_the_rides_with_feedback(warehouse: Warehouse) -> None:
    rides = ride(warehouse, 0, feedback=0.5)
    assert measure(warehouse) == (FIRST.date(),)
    known = rides.head(RIDES // 2)
    errors = (known["duration_minutes"] - known["actual_minutes"]).to_numpy()
    (found,) = rows(warehouse).to_dict("records")
    assert (found["predictions"], found["rides"], found["model_version"]) == (RIDES, RIDES // 2, CHAMPION)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert (found["mae"], found["bias"]) == pytest.approx((np.abs(errors).mean(), errors.mean()))
    assert found["inside"] == (np.abs(errors) <= 6).sum()
    assert found["rmse_standard_error"] == pytest.approx((errors**2).std() / np.sqrt(len(errors)) / 2 / found["rmse"])
    (shadow,) = rows(warehouse, "shadow 13").to_dict("records")
    assert (shadow["rides"], shadow["model_version"]) == (RIDES // 2, SHADOW)
    assert shadow["bias"] == pytest.approx(found["bias"] + 2)
    for name in ("airport_trip", "hour_band", "pickup_borough"):
        parts = rows(warehouse, name=name)
        assert parts["rides"].sum() == found["rides"]
        assert parts["predictions"].sum() == found["predictions"]


def test_only_changed_days_are_measured(warehouse: Warehouse) -> None:
    first = ride(warehouse, 0, feedback=0.5)
    ride(warehouse, 1)
    assert len(measure(warehouse)) == 2
    assert measure(warehouse) == ()
    before = rows(warehouse)
    know(warehouse, first.tail(RIDES // 2))
    assert measure(warehouse) == (FIRST.date(),)
    after = rows(warehouse)
    assert list(after["rides"]) == [RIDES, RIDES]
    assert after.loc[1, "rmse"] == before.loc[1, "rmse"]


def test_rides_longer_than_the_scope_are_predictions_without_feedback(warehouse: Warehouse) -> None:
    rides = ride(warehouse, 0, feedback=0)
    know(warehouse, rides.assign(actual_minutes=90.0).head(100))
    measure(warehouse)
    assert measure(warehouse) == ()
    (found,) = rows(warehouse).to_dict("records")
    assert (found["predictions"], found["rides"]) == (RIDES, 0)
    assert np.isnan(found["rmse"])


def test_a_day_without_feedback_has_an_estimate_of_its_error(warehouse: Warehouse) -> None:
    for day in range(4):
        ride(warehouse, day)
    rides = ride(warehouse, 4, width=24.0, feedback=0)
    measure(warehouse)
    found = rows(warehouse)
    assert found["expected_rmse"].isna().tolist() == [True, False, False, False, False]  # none before the first
    assert found.loc[3, "expected_rmse"] == pytest.approx(4, rel=0.15)
    assert found.loc[4, "expected_rmse"] == pytest.approx(2 * found.loc[3, "expected_rmse"], rel=0.1)
    assert np.isnan(found.loc[4, "rmse"])
    know(warehouse, rides)
    measure(warehouse)
    later = rows(warehouse)
    assert list(later["expected_rmse"])[1:] == list(found["expected_rmse"])[1:]  # a day's own feedback is not used
    assert later.loc[4, "rmse"] == pytest.approx(4, rel=0.15)
    assert draw_estimates(read_live_performance(warehouse)).startswith(b"\x89PNG")


def test_a_back_scored_month_calibrates_before_there_is_feedback(warehouse: Warehouse) -> None:
    months = pd.DataFrame({"month": [date(2024, 3, 1), date(2024, 5, 1)], "rmse": [5.0, 50.0]})
    performance = months.assign(slice="overall", scope="1_to_60_minutes", model_version=11, trips=9, inside=8)
    insert(warehouse, champion_performance=performance.assign(mae=3.0, bias=0.0, interval_rms_minutes=20.0))
    ride(warehouse, 0, feedback=0)
    measure(warehouse)
    assert rows(warehouse)["expected_rmse"].tolist() == pytest.approx([12 * 5 / 20])  # May was not over then


def flag(warehouse: Warehouse) -> LiveFlag | None:
    with warehouse.reading() as connection:
        return newest_flag(connection)


def test_a_slower_city_is_flagged(warehouse: Warehouse) -> None:
    evaluate(warehouse)
    for day in range(6):
        ride(warehouse, day)
    measure(warehouse)
    assert not rows(warehouse)["is_flagged"].any()
    assert flag(warehouse) is None
    ride(warehouse, 6, error=8.0)
    measure(warehouse)
    table = read_live_performance(warehouse)
    assert rows(warehouse)["is_flagged"].tolist() == [False] * 6 + [True]
    assert rows(warehouse, "shadow 13")["is_flagged"].isna().all()
    found = flag(warehouse)
    assert found
    assert found.is_above
    assert found.text.startswith("RMSE of version 12 on 2024-05-07: ")
    assert draw_live_errors(table).startswith(b"\x89PNG")


def test_without_an_evaluation_month_there_are_no_limits(warehouse: Warehouse) -> None:
    ride(warehouse, 0, error=30)
    measure(warehouse)
    found = rows(warehouse)
    assert found["control_high"].isna().all()
    assert found["is_flagged"].isna().all()
    assert flag(warehouse) is None


def test_the_asset_shows_the_days_and_warns_of_a_flagged_one(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    evaluate(warehouse)
    job = build(warehouse.settings).resolve_job_def("ingest_predictions")
    for count in range(2):
        result = job.execute_in_process(asset_selection=[dg.AssetKey("live_performance")])
        (event,) = result.get_asset_materialization_events()
        (check,) = result.get_asset_check_evaluations()
        assert check.passed == (not count)
        assert ("pictures" in event.materialization.metadata) == bool(count)
        ride(warehouse, count, error=12)
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "RMSE of version 12 on 2024-05-01" in str(check.description)
    assert (warehouse.settings.reports / "live_performance" / "newest.html").is_file()
