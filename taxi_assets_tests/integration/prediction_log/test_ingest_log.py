"""Each record of the log is in the warehouse exactly once, also after failures and damage."""

import os
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sample_predictions import NOON, prediction

from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.daily_summary import summarise_days
from taxi_assets.serving.prediction_log.ingest_log import UNREADABLE, ingest_log
from taxi_assets.serving.prediction_log.log_writer import LogWriter
from taxi_assets.serving.prediction_log.prediction_record import PredictionRecord, new_york_time
from taxi_assets.warehouse.connection import Warehouse


@pytest.fixture
def log(warehouse: Warehouse) -> Path:
    return warehouse.settings.prediction_log


def append(log: Path, *records: PredictionRecord, max_bytes: int = 1_000_000) -> list[str]:
    """Log these records and close the writer."""
    writer = LogWriter(log, max_bytes=max_bytes)
    ids = [writer.append(record) for record in records]
    writer.close()
    return ids


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with warehouse.reading() as connection:
        return connection.execute(query).fetchall()


def ingested_ids(warehouse: Warehouse) -> Counter[str]:
    return Counter(each for (each,) in rows(warehouse, "SELECT request_id FROM predictions"))


def test_a_record_has_all_its_fields_in_the_warehouse(warehouse: Warehouse, log: Path) -> None:
    pickup_at = new_york_time(datetime(2023, 11, 5, 1, 30, fold=1))
    given = prediction(
        7, pickup_at=pickup_at, passenger_count=None, rider="a1", shadow_of="b-0", warnings=2, traffic_age_seconds=1.5
    )
    (request_id,) = append(log, given)
    result = ingest_log(warehouse, run_id="a run")
    ((row, names),) = [(rows(warehouse, "FROM predictions")[0], PredictionRecord.__struct_fields__)]
    with warehouse.reading() as connection:
        columns = [column[0] for column in connection.execute("FROM predictions").description]
    found = dict(zip(columns, row, strict=True))
    assert found.pop("request_id") == request_id
    assert found.pop("pickup_utc_offset_hours") == -5
    expected = {name: getattr(given, name) for name in names}
    expected |= {"pickup_at": datetime(2023, 11, 5, 1, 30), "answered_at": given.answered_at.replace(tzinfo=None)}
    assert found == expected
    assert (result.records, result.torn_lines, result.counts) == (1, 0, (("champion", 1, 1),))
    assert result.first_record_at == result.last_record_at == expected["answered_at"]


def test_sealed_segments_are_ingested_once_in_one_commit(warehouse: Warehouse, log: Path) -> None:
    ids = append(log, *map(prediction, range(30)), max_bytes=2000)
    before = warehouse.snapshot()
    result = ingest_log(warehouse)
    assert (result.records, len(result.segments)) == (30, len(segments.names(log, segments.SEALED)))
    assert len(result.segments) > 3
    assert ingest_log(warehouse).segments == ()
    assert warehouse.snapshot() == before + 1
    more = append(log, prediction(40))
    assert ingest_log(warehouse).records == 1
    assert ingested_ids(warehouse) == Counter([*ids, *more])


def test_an_open_segment_is_ingested_once_it_is_sealed(warehouse: Warehouse, log: Path) -> None:
    writer = LogWriter(log)
    ids = [writer.append(prediction())]
    assert ingest_log(warehouse).segments == ()
    writer.close()
    ingest_log(warehouse)
    assert ingested_ids(warehouse) == Counter(ids)


def test_a_failed_ingestion_leaves_nothing_and_is_repeated(
    warehouse: Warehouse, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = append(log, *map(prediction, range(9)), max_bytes=1000)
    last = segments.names(log, segments.SEALED)[-1]
    path = log / f"{last}{segments.SEALED}"
    path.rename(log / "elsewhere")
    path.mkdir()  # reading it fails after the segments before it are inserted
    with pytest.raises(IsADirectoryError):
        ingest_log(warehouse)
    assert ingested_ids(warehouse) == Counter()
    assert rows(warehouse, "FROM logged_segments") == []
    path.rmdir()
    (log / "elsewhere").rename(path)
    ingest_log(warehouse)
    assert ingested_ids(warehouse) == Counter(ids)


def test_two_ingestions_at_once_insert_each_record_once(warehouse: Warehouse, log: Path) -> None:
    ids = append(log, *map(prediction, range(50)), max_bytes=1500)
    warehouse.snapshot()
    threads = [threading.Thread(target=ingest_log, args=[warehouse]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ingested_ids(warehouse) == Counter(ids)


def test_torn_and_damaged_lines_are_counted_and_kept_aside(warehouse: Warehouse, log: Path) -> None:
    ids = append(log, *map(prediction, range(4)))
    (name,) = segments.names(log, segments.SEALED)
    path = log / f"{name}{segments.SEALED}"
    lines = path.read_bytes().split(b"\n")
    damaged = [lines[0], b"\0" * len(lines[1]), lines[2].replace(b"-", b"x", 1), lines[3], b""]
    path.write_bytes(b"\n".join(damaged))
    torn, descriptor = segments.create_segment(log)
    os.write(descriptor, b'{"request_id":')
    os.close(descriptor)
    result = ingest_log(warehouse)
    assert ingested_ids(warehouse) == Counter([ids[0], ids[3]])
    assert (result.records, result.torn_lines) == (2, 3)
    assert (log / f"{name}{UNREADABLE}").read_bytes().split(b"\n") == [damaged[1], damaged[2], b""]
    assert dict(rows(warehouse, "SELECT segment, torn_lines FROM logged_segments")) == {name: 2, torn: 1}


def test_a_record_at_another_place_is_no_record(warehouse: Warehouse, log: Path) -> None:
    append(log, prediction())
    (name,) = segments.names(log, segments.SEALED)
    path = log / f"{name}{segments.SEALED}"
    path.rename(log / f"{'0' * 16}{segments.SEALED}")
    result = ingest_log(warehouse)
    assert (result.records, result.torn_lines) == (0, 1)


def test_an_ingested_segment_is_removed_after_its_days(warehouse: Warehouse, log: Path) -> None:
    days = warehouse.settings.prediction_log_days
    for age in (days + 1, days - 1):
        append(log, prediction())
        (path,) = [p for p in log.glob(f"*{segments.SEALED}") if p.stat().st_mtime > now() - 60]
        os.utime(path, (now() - age * 86_400,) * 2)
    result = ingest_log(warehouse)
    assert (len(result.segments), len(result.removed)) == (2, 1)
    assert len(segments.names(log, segments.SEALED)) == 1
    assert rows(warehouse, "SELECT count(*) FROM predictions") == [(2,)]


def test_an_old_segment_that_is_not_ingested_stays(warehouse: Warehouse, log: Path) -> None:
    append(log, prediction())
    (path,) = log.iterdir()
    os.utime(path, (0, 0))
    path.rename(log / "elsewhere")
    assert ingest_log(warehouse).removed == ()
    (log / "elsewhere").rename(path)
    assert ingest_log(warehouse).records == 1


def test_a_segment_that_its_writer_should_have_sealed_is_overdue(warehouse: Warehouse, log: Path) -> None:
    writer = LogWriter(log)
    writer.append(prediction())
    assert ingest_log(warehouse).overdue == ()
    (path,) = log.iterdir()
    old = f"{1_000_000_000_000:013x}abc"  # of 1970
    path.rename(log / f"{old}{segments.OPEN}")
    assert ingest_log(warehouse).overdue == (old,)


def now() -> float:
    return datetime.now(UTC).timestamp()


def answered(variant: str, version: int, latencies: Sequence[int], **fields: Any) -> list[PredictionRecord]:
    return [
        prediction(variant=variant, model_version=version, latency_microseconds=each, **fields) for each in latencies
    ]


def test_days_are_summarised_by_variant_and_version(warehouse: Warehouse, log: Path) -> None:
    append(
        log,
        *answered("champion", 1, range(100, 201), rider="a", warnings=1),
        *answered("champion", 2, [50], rider="b", traffic_age_seconds=3),
        *answered("shadow 3", 3, [70], shadow_of="x-0"),
        *answered("champion", 1, [9], answered_at=NOON + timedelta(days=1)),
    )
    ingest_log(warehouse)
    assert summarise_days(warehouse) == (date(2024, 5, 6), date(2024, 5, 7))
    query = (
        "SELECT day, variant, model_version, is_shadow, predictions, riders, with_warnings, with_recent_traffic, "
        "latency_p50_microseconds, latency_p99_microseconds, latency_max_microseconds "
        "FROM daily_serving_summaries ORDER BY ALL"
    )
    first, second = date(2024, 5, 6), date(2024, 5, 7)
    assert rows(warehouse, query) == [
        (first, "champion", 1, False, 101, 1, 101, 0, 150, 199, 200),
        (first, "champion", 2, False, 1, 1, 0, 1, 50, 50, 50),
        (first, "shadow 3", 3, True, 1, 0, 0, 0, 70, 70, 70),
        (second, "champion", 1, False, 1, 0, 0, 0, 9, 9, 9),
    ]


def test_only_days_with_new_predictions_are_summarised_again(warehouse: Warehouse, log: Path) -> None:
    append(log, prediction(), prediction(answered_at=NOON + timedelta(days=1)))
    ingest_log(warehouse)
    summarise_days(warehouse)
    before = warehouse.snapshot()
    assert summarise_days(warehouse) == ()
    assert warehouse.snapshot() == before
    append(log, prediction(5))
    ingest_log(warehouse)
    assert summarise_days(warehouse) == (date(2024, 5, 6),)
    query = "SELECT predictions, mean_interval_minutes FROM daily_serving_summaries ORDER BY day"
    assert rows(warehouse, query) == [(2, 12), (1, 12)]


def test_feedback_gives_the_error_of_its_day(warehouse: Warehouse, log: Path) -> None:
    answer, other, _ = append(
        log, prediction(), prediction(duration_minutes=8), prediction(variant="champion", rider="b")
    )
    append(log, prediction(variant="shadow 3", model_version=3, shadow_of=answer, duration_minutes=13))
    ingest_log(warehouse)
    summarise_days(warehouse)
    query = "SELECT variant, predictions, with_feedback, rmse, bias FROM daily_serving_summaries ORDER BY variant"
    assert rows(warehouse, query) == [("champion", 3, 0, None, None), ("shadow 3", 1, 0, None, None)]
    with warehouse.publishing("feedback") as connection:
        for number, (request_id, minutes) in enumerate([(answer, 10), (other, 8), (answer, 99), (None, 5)]):
            row = {"feedback_id": f"f-{number}", "request_id": request_id, "actual_minutes": minutes}
            row["received_at"] = NOON.replace(tzinfo=None) + timedelta(minutes=number)
            names = ", ".join(row)
            values = ", ".join(f"${name}" for name in row)
            connection.execute(f"INSERT INTO feedback ({names}) VALUES ({values})", row)
    assert summarise_days(warehouse) == (date(2024, 5, 6),)
    champion, shadow = rows(warehouse, query)
    assert champion == ("champion", 3, 2, pytest.approx((2.5**2 / 2) ** 0.5), 1.25)
    assert shadow == ("shadow 3", 1, 1, 3, 3)
    assert summarise_days(warehouse) == ()
