"""Feedback reaches the warehouse exactly once, then the daily summary and the comparison of variants."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sample_predictions import prediction

from taxi_assets.monitoring.variant_comparison import compare_variants
from taxi_assets.serving.endpoint.feedback import PredictionFinder
from taxi_assets.serving.endpoint.feedback_fields import FeedbackContext, parse_feedback
from taxi_assets.serving.endpoint.feedback_log import FEEDBACK_FOLDER, FeedbackLog
from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.daily_summary import newest_days, summarise_days
from taxi_assets.serving.prediction_log.feedback_record import REMEMBERED_DAYS
from taxi_assets.serving.prediction_log.ingest_log import IngestedLog, ingest_log, waiting_segments
from taxi_assets.serving.prediction_log.log_tables import FEEDBACK_LOG, PREDICTION_LOG
from taxi_assets.serving.prediction_log.log_writer import LogWriter
from taxi_assets.serving.prediction_log.prediction_record import PredictionRecord
from taxi_assets.serving.zone_names import ZoneNames
from taxi_assets.warehouse.connection import Warehouse

RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-11-05T01:30-05:00"}


def answer(warehouse: Warehouse, *records: PredictionRecord) -> list[str]:
    """Log these predictions and return their request ids."""
    writer = LogWriter(warehouse.settings.prediction_log)
    ids = writer.append_many(records)
    writer.close()
    return ids


def send(warehouse: Warehouse, *rides: dict[str, Any]) -> None:
    """Log feedback as `POST /feedback` does."""
    find = PredictionFinder(warehouse.settings.prediction_log).find
    context = FeedbackContext(("green",), ZoneNames({}), find, datetime.now(UTC))
    log = FeedbackLog(warehouse.settings.serving_state)
    log.append_new(parse_feedback({"rides": list(rides)}, context))
    log.close()


def ingest(warehouse: Warehouse) -> IngestedLog:
    return ingest_log(warehouse, FEEDBACK_LOG)


def feedback_folder(warehouse: Warehouse) -> Path:
    return FEEDBACK_LOG.folder(warehouse.settings)


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with warehouse.reading() as connection:
        return connection.execute(query).fetchall()


def test_settings_and_endpoint_agree_on_the_folder(warehouse: Warehouse) -> None:
    assert feedback_folder(warehouse) == warehouse.settings.serving_state / FEEDBACK_FOLDER


def test_feedback_has_all_its_fields_in_the_warehouse(warehouse: Warehouse) -> None:
    send(warehouse, {**RIDE, "actual_minutes": 11.5, "vendor_id": 2})
    result = ingest(warehouse)
    assert (result.records, result.counts, result.torn_lines) == (1, (("green", 1),), 0)
    query = (
        "SELECT request_id, service, pickup_at, pickup_utc_offset_hours, pickup_zone_id, dropoff_zone_id, vendor_id, "
        "actual_minutes, received_at FROM feedback"
    )
    ((*found, received_at),) = rows(warehouse, query)
    assert found == [None, "green", datetime(2023, 11, 5, 1, 30), -5, 74, 75, 2, 11.5]
    assert received_at == result.first_record_at == result.last_record_at


def test_each_log_is_ingested_once_and_neither_takes_the_other(warehouse: Warehouse) -> None:
    (request_id,) = answer(warehouse, prediction())
    send(warehouse, {"request_id": request_id, "actual_minutes": 9}, {**RIDE, "actual_minutes": 8})
    assert [len(waiting_segments(warehouse, log)) for log in (PREDICTION_LOG, FEEDBACK_LOG)] == [1, 1]
    assert [ingest(warehouse).records for _ in range(2)] == [2, 0]
    assert [ingest_log(warehouse).records for _ in range(2)] == [1, 0]
    assert rows(warehouse, "SELECT log, sum(records) FROM logged_segments GROUP BY 1 ORDER BY 1") == [
        ("feedback", 2),
        ("predictions", 1),
    ]
    assert rows(warehouse, "SELECT request_id FROM feedback ORDER BY actual_minutes DESC") == [(request_id,), (None,)]


def test_a_prediction_or_a_moved_line_in_the_feedback_log_is_no_record(warehouse: Warehouse) -> None:
    send(warehouse, {**RIDE, "actual_minutes": 8})
    answer(warehouse, prediction())
    (sealed,) = feedback_folder(warehouse).glob(f"*{segments.SEALED}")
    (other,) = warehouse.settings.prediction_log.glob(f"*{segments.SEALED}")
    sealed.write_bytes(other.read_bytes() + sealed.read_bytes())
    result = ingest(warehouse)
    assert (result.records, result.torn_lines) == (0, 2)


@pytest.mark.parametrize(("days", "is_removed"), [(REMEMBERED_DAYS - 1, False), (REMEMBERED_DAYS + 1, True)])
def test_a_segment_stays_as_long_as_recent_traffic_needs_it(warehouse: Warehouse, days: int, is_removed: bool) -> None:
    assert warehouse.settings.prediction_log_days < days
    send(warehouse, {**RIDE, "actual_minutes": 8})
    (sealed,) = feedback_folder(warehouse).glob(f"*{segments.SEALED}")
    os.utime(sealed, (time.time() - days * 86_400,) * 2)
    assert len(ingest(warehouse).removed) == is_removed
    assert sealed.exists() == (not is_removed)
    assert rows(warehouse, "SELECT count(*) FROM feedback") == [(1,)]


def test_feedback_on_answers_gives_the_errors_of_variants(warehouse: Warehouse) -> None:
    of_variants: Sequence[tuple[str, int, float]] = (("champion", 1, 12), ("challenger 2", 2, 15))
    records = [
        prediction(number, variant=variant, model_version=version, duration_minutes=minutes)
        for number in range(10)
        for variant, version, minutes in of_variants
    ]
    ids = answer(warehouse, *records)
    shadows = answer(
        warehouse,
        *(prediction(variant="shadow 3", model_version=3, duration_minutes=11, shadow_of=each) for each in ids[::2]),
    )
    send(warehouse, *({"request_id": each, "actual_minutes": 10} for each in ids))
    send(warehouse, {"request_id": ids[0], "actual_minutes": 99})  # repeated: left out
    ingest_log(warehouse)
    ingest(warehouse)
    challenger, shadow = compare_variants(warehouse)
    assert (challenger.variant, challenger.rides, challenger.champion_rides) == ("challenger 2", 10, 10)
    assert (challenger.rmse, challenger.champion_rmse, challenger.is_paired) == (5, 2, False)
    assert (shadow.variant, shadow.rides, shadow.champion_rides) == ("shadow 3", len(shadows), 10)
    assert (shadow.rmse, shadow.champion_rmse, shadow.is_paired) == (1, 2, True)
    summarise_days(warehouse)
    found = {row["variant"]: (row["with_feedback"], row["rmse"], row["bias"]) for row in newest_days(warehouse)}
    assert found == {"champion": (10, 2, 2), "challenger 2": (10, 5, 5), "shadow 3": (10, 1, 1)}
