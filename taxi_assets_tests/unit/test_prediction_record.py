"""Records of the prediction log: equal features and equal riders have equal hashes, keys stay secret."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.serving.prediction_log.prediction_record import (
    PredictionRecord,
    RiderHasher,
    decode_record,
    hash_features,
    new_york_time,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(datetime(2009, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
RECORDS = st.builds(
    PredictionRecord,
    answered_at=TIMES,
    pickup_at=TIMES,
    passenger_count=st.none() | st.integers(0, 99),
    vendor_id=st.integers(0, 99),
    duration_minutes=FINITE,
    low_minutes=FINITE,
    high_minutes=FINITE,
    traffic_age_seconds=st.none() | FINITE,
)


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record: PredictionRecord) -> None:
    line = b'{"request_id":"a-0",' + msgspec.json.encode(record)[1:]
    found = decode_record(line)
    assert found.request_id == "a-0"
    assert {name: getattr(found, name) for name in record.__struct_fields__} == msgspec.structs.asdict(record)


@pytest.mark.parametrize("line", [b"", b"{}", b"\0\0", b'{"request_id":"a-0"}', b"[1]", b"\xff"])
def test_other_lines_are_no_records(line: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        decode_record(line)


def test_a_pickup_in_a_repeated_hour_keeps_its_offset() -> None:
    first, second = (new_york_time(datetime(2023, 11, 5, 1, 30, fold=fold)) for fold in (0, 1))
    assert [each.isoformat() for each in (first, second)] == ["2023-11-05T01:30:00-04:00", "2023-11-05T01:30:00-05:00"]


def test_the_hash_of_features_depends_on_every_value() -> None:
    matrix = np.tile(np.arange(40, dtype=np.float32), (42, 1))
    np.fill_diagonal(matrix[:40], np.nan)
    hashes = hash_features(matrix)
    assert len(set(hashes)) == 41
    assert hashes[-2:] == hash_features(np.asfortranarray(matrix[-1:])) * 2
    assert hash_features(matrix[:0]) == []


def test_a_riders_hash_depends_on_key_and_home(tmp_path: Path) -> None:
    ours, again, other = RiderHasher(tmp_path / "a"), RiderHasher(tmp_path / "a"), RiderHasher(tmp_path / "b")
    assert ours.hash("rider 1") == again.hash("rider 1")
    assert len({ours.hash("rider 1"), ours.hash("rider 2"), other.hash("rider 1")}) == 3
    assert len(ours.hash("\ud800")) == len(ours.hash("x" * 100_000)) == 16
    (salt,) = (tmp_path / "a").iterdir()
    assert salt.stat().st_mode & 0o777 == 0o600


def test_workers_that_start_together_hash_alike(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        hashers = list(pool.map(lambda _: RiderHasher(tmp_path), range(32)))
    assert len({hasher.hash("rider 1") for hasher in hashers}) == 1
    assert len(list(tmp_path.iterdir())) == 1
