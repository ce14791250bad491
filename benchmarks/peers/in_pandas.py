"""The month by pandas, with Great Expectations on its frames."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.month_source import (
    ALWAYS_PRESENT,
    CLEAN,
    FEATURES,
    LONGEST,
    MPH,
    NEEDED,
    SERVICE,
    SHORTEST,
    TRIP,
    ZONES,
    canonical_names,
    canonical_types,
    month_bounds,
    month_path,
    zone_places,
)
from taxi_assets.months import Month

if TYPE_CHECKING:
    import pandas as pd


def process(source: Path, month: Month, output: Path) -> object:
    """The month by pandas; Great Expectations evaluates its suites on the frames."""
    from benchmarks.publish_pipelines import validate_frame

    begin, end = month_bounds(month)
    raw = _read(source, month)
    raw.to_parquet(output / "raw_trips.parquet")
    raw["duration_minutes"] = (raw["dropoff_at"] - raw["pickup_at"]).dt.total_seconds() / 60
    reasons = _reasons(raw, begin, end)
    broken = reasons != ""
    raw[broken].assign(reason=reasons[broken]).to_parquet(output / "rejected_trips.parquet")
    clean = raw.loc[~broken, CLEAN].copy()
    clean.to_parquet(output / "clean_trips.parquet")
    features = _features(clean, source)
    features.to_parquet(output / "trip_features.parquet")
    _derive(raw, clean, features, begin, end)
    frames = {"raw_trips": raw, "clean_trips": clean, "trip_features": features}
    return {table: validate_frame(frame, table) for table, frame in frames.items()}


def _read(source: Path, month: Month) -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    path = month_path(source, month)
    names, types = canonical_names(path), canonical_types()
    trips = pd.read_parquet(path, columns=list(names)).rename(columns=names)
    for name in names.values():
        if types[name] in ("SMALLINT", "INTEGER"):
            trips[name] = trips[name].astype("Int16" if types[name] == "SMALLINT" else "Int32")
    trips.insert(0, "service", SERVICE)
    trips.insert(1, "month", month.first_day)
    trips.insert(2, "source_row", np.arange(len(trips)))
    return trips


def _reasons(trips: "pd.DataFrame", begin: datetime, end: datetime) -> Any:
    import numpy as np

    minutes = trips["duration_minutes"]
    on_map = trips["pickup_zone_id"].between(1, ZONES) & trips["dropoff_zone_id"].between(1, ZONES)
    rules = {
        "needed_value_missing": trips[NEEDED].isna().any(axis=1),
        "pickup_outside_month": (trips["pickup_at"] < begin) | (trips["pickup_at"] >= end),
        "zone_unknown": ~on_map.fillna(value=False),
        "duration_too_short": minutes < SHORTEST,
        "duration_too_long": minutes > LONGEST,
        "speed_impossible": trips["trip_distance_miles"] > MPH * minutes / 60,
        "duplicate": trips.duplicated(TRIP),
    }
    return np.select([np.asarray(broken, bool) for broken in rules.values()], list(rules), default="")


def _features(clean: "pd.DataFrame", source: Path) -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    from taxi_assets.features.trip_features import holiday_dates

    time, one_day = clean["pickup_at"].dt, pd.Timedelta(days=1)
    day, holidays = time.normalize(), pd.to_datetime(list(holiday_dates()))
    x, y = np.full(ZONES + 1, np.nan), np.full(ZONES + 1, np.nan)
    for zone, (east, north) in zone_places(source).items():
        x[zone], y[zone] = (np.nan if east is None else east), (np.nan if north is None else north)
    starts, ends = (clean[name].to_numpy(int) for name in ("pickup_zone_id", "dropoff_zone_id"))
    features = clean.assign(
        hour_of_week=(time.dayofweek * 24 + time.hour).astype("int16"),
        minute_of_day=(time.hour * 60 + time.minute).astype("int16"),
        day_of_week=time.dayofweek.astype("int16"),
        day_of_year=time.dayofyear.astype("int16"),
        month_of_year=time.month.astype("int16"),
        is_holiday=day.isin(holidays),
        is_holiday_eve=(day + one_day).isin(holidays),
        is_after_holiday=(day - one_day).isin(holidays),
        zone_distance_miles=np.sqrt((x[starts] - x[ends]) ** 2 + (y[starts] - y[ends]) ** 2),
        is_same_zone=starts == ends,
    )
    return features[FEATURES]


def _derive(
    raw: "pd.DataFrame", clean: "pd.DataFrame", features: "pd.DataFrame", begin: datetime, end: datetime
) -> None:
    """Adds the suites' derived columns to the frames."""
    import pandas as pd

    seconds = raw["duration_minutes"] * 60
    raw["is_complete"] = raw[NEEDED].notna().all(axis=1)
    clean["is_complete"] = clean[[*NEEDED, "duration_minutes"]].notna().all(axis=1)
    features["is_complete"] = features[ALWAYS_PRESENT].notna().all(axis=1)
    for frame in (raw, clean, features):
        frame["is_in_month"] = (frame["pickup_at"] >= begin) & (frame["pickup_at"] < end)
    for frame in (raw, clean):
        hashes = pd.util.hash_pandas_object(frame[TRIP], index=False)
        frame["sampled_trip"] = hashes.where(frame["pickup_at"].dt.second == 0)
    raw["pickup_day"] = raw["pickup_at"].dt.day.where(raw["is_in_month"])
    raw["speed_mph"] = (raw["trip_distance_miles"] * 3600 / seconds).where(seconds > 0)
    between = (clean["dropoff_at"] - clean["pickup_at"]).dt.total_seconds() / 60
    clean["duration_error_minutes"] = (clean["duration_minutes"] - between).abs()
    clean["is_possible_speed"] = clean["trip_distance_miles"] <= MPH * clean["duration_minutes"] / 60
    time = features["pickup_at"].dt
    features["is_true_calendar"] = (
        (features["hour_of_week"] == time.dayofweek * 24 + time.hour)
        & (features["minute_of_day"] == time.hour * 60 + time.minute)
        & (features["day_of_week"] == time.dayofweek)
        & (features["day_of_year"] == time.dayofyear)
        & (features["month_of_year"] == time.month)
    )
    features["is_true_same_zone"] = features["is_same_zone"] == (
        features["pickup_zone_id"] == features["dropoff_zone_id"]
    )
