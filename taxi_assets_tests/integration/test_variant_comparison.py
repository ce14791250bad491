"""Challengers and shadows are compared with the champion on rides whose duration became known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_model
from shadowed_endpoint import CHAMPION_VERSION, RIDE, SHADOW_VERSION, ShadowedEndpoint, slower

from taxi_assets.monitoring.variant_comparison import compare_variants, record_comparisons
from taxi_assets.plots.variant_plot import draw_variants
from taxi_assets.serving.prediction_log.ingest_log import ingest_log
from taxi_assets.serving.prediction_log.log_tables import FEEDBACK_LOG, PREDICTION_LOG
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

RIDES = 3_000


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(Settings(home=tmp_path / "home", data_kind="synthetic", threads=1, memory_limit="1GB"))


def fill(warehouse: Warehouse, *, bias: float, is_shadow: bool, rides: int = RIDES, known_from: int = 0) -> None:
    """Rides of a champion and of a variant whose predictions are `bias` minutes too long."""
    draw = np.random.default_rng(3)
    actual = draw.gamma(4, 4, rides) + 1
    errors, own_errors = draw.normal(0, 3, (2, rides))
    predictions, feedback = [], []
    for number in range(rides):
        own = draw.random() < 0.5
        variant, version = ("shadow 14", 14) if is_shadow else ("challenger 13", 13)
        predicted = float(actual[number] + errors[number])
        own_predicted = float(actual[number] + own_errors[number] + bias)
        answered = (f"r{number}", number, predicted, "champion", 12, None)
        if is_shadow:
            predictions += [answered, (f"s{number}", number, own_predicted, variant, version, f"r{number}")]
        else:
            predictions.append((f"r{number}", number, own_predicted, variant, version, None) if own else answered)
        if number >= known_from:
            feedback.append((f"r{number}", number, float(actual[number])))
    with warehouse.publishing("rides") as connection:
        for table, names, rows in (
            (
                "predictions",
                "request_id, answered_at, duration_minutes, variant, model_version, shadow_of",
                predictions,
            ),
            ("feedback", "request_id, received_at, actual_minutes", feedback),
        ):
            columns = {name: [row[at] for row in rows] for at, name in enumerate(names.split(", "))}
            query = ", ".join(f"unnest(${name}) AS {name}" for name in columns)
            time = names.split(", ")[1]
            connection.execute(
                f"INSERT INTO {table} BY NAME SELECT * REPLACE (TIMESTAMP '2024-05-06' + to_seconds({time}) AS {time}) "
                f"FROM (SELECT {query})",
                columns,
            )


def recorded(warehouse: Warehouse) -> list[Any]:
    query = (
        "SELECT variant, model_version, is_paired, rides, champion_rides, low, high, verdict FROM variant_comparisons"
    )
    with warehouse.reading() as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize(("bias", "verdict"), [(2.0, "worse"), (0.0, "undecided")])
@pytest.mark.parametrize("is_shadow", [True, False])
def test_a_worse_variant_is_found(warehouse: Warehouse, bias: float, verdict: str, is_shadow: bool) -> None:
    fill(warehouse, bias=bias, is_shadow=is_shadow)
    (found,) = compare_variants(warehouse)
    assert (found.verdict, found.is_paired) == (verdict, is_shadow)
    assert found.rmse == pytest.approx(np.hypot(3, bias), abs=0.2)
    assert found.champion_rmse == pytest.approx(3, abs=0.2)
    assert found.rides + (0 if is_shadow else found.champion_rides) == pytest.approx(RIDES, abs=0.05 * RIDES)
    record_comparisons(warehouse, [found])
    record_comparisons(warehouse, [found])  # replaces its rows
    ((variant, version, _, rides, champion_rides, low, high, shown),) = recorded(warehouse)
    assert (variant, version, shown) == (found.variant, found.model_version, verdict)
    assert (rides, champion_rides) == (found.rides, found.champion_rides)
    assert (low > 0) == (verdict == "worse")
    assert low < high
    assert draw_variants([found]).startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_better_shadow_is_found_earlier_than_a_better_challenger(warehouse: Warehouse, tmp_path: Path) -> None:
    other = Warehouse(Settings(home=tmp_path / "other", data_kind="synthetic", threads=1, memory_limit="1GB"))
    decided = []
    for each, is_shadow in ((warehouse, True), (other, False)):
        fill(each, bias=3.0, is_shadow=is_shadow)
        (found,) = compare_variants(each)
        decided.append(int(np.argmax(np.abs(found.difference) > found.half_width)))
    assert 0 < decided[0] < decided[1]


def test_few_rides_have_no_interval(warehouse: Warehouse) -> None:
    fill(warehouse, bias=30, is_shadow=True, rides=100)
    (found,) = compare_variants(warehouse)
    assert found.verdict == "undecided"
    record_comparisons(warehouse, [found])
    ((*_, low, high, _),) = recorded(warehouse)
    assert (low, high) == (None, None)
    assert draw_variants([found]).startswith(b"\x89PNG")


def test_rides_without_a_known_duration_do_not_count(warehouse: Warehouse) -> None:
    fill(warehouse, bias=1, is_shadow=True, known_from=RIDES - 500)
    (found,) = compare_variants(warehouse)
    assert 450 < found.rides <= 500


def test_without_feedback_nothing_is_compared(warehouse: Warehouse) -> None:
    fill(warehouse, bias=1, is_shadow=True, rides=10, known_from=10)
    assert compare_variants(warehouse) == ()


@pytest.mark.slow
def test_logged_shadows_are_compared_on_the_rides_that_they_shadowed(warehouse: Warehouse, tmp_path: Path) -> None:
    model = ServedModel.load(small_model.write_one_service(tmp_path / "model"))
    endpoint = ShadowedEndpoint(model, slower(model), warehouse.settings.serving_state)
    draw = np.random.default_rng(5)
    rides = [{**RIDE, "dropoff_zone_id": zone} for zone in draw.integers(1, 200, 1_500).tolist()]
    (batch,) = endpoint.post("/predict_many", {"rides": rides})
    single = endpoint.post("/predict", *rides[:20])
    predicted = {f"{batch.json()['request_id']}.{row}": each for row, each in enumerate(batch.json()["predictions"])}
    predicted |= {response.json()["request_id"]: response.json() for response in single}
    known = [
        {"request_id": request_id, "actual_minutes": max(each["duration_minutes"] + draw.normal(), 1)}
        for request_id, each in predicted.items()
    ]
    assert endpoint.post("/feedback", {"rides": known})[0].json() == {"accepted": 1_520, "repeated": 0}
    endpoint.state.close()
    for log in (PREDICTION_LOG, FEEDBACK_LOG):
        ingest_log(warehouse, log)
    (found,) = compare_variants(warehouse)
    assert (found.variant, found.model_version) == ("shadow", SHADOW_VERSION)
    assert (found.champion_versions, found.is_paired, found.verdict) == ((CHAMPION_VERSION,), True, "worse")
    assert found.rides == found.champion_rides > 1_400
    assert found.champion_rmse < 1.2 < found.rmse
