"""The month by polars: lazy expressions, written by hand as its documentation teaches."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

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
    import polars as pl


def process(source: Path, month: Month, output: Path) -> dict[str, "pl.DataFrame"]:
    """The month by polars; returns the numbers of each suite, a row each."""
    import polars as pl

    begin, end = month_bounds(month)
    trips = _scan(source, month)
    labelled = trips.with_columns(_reason(begin, end)).drop("is_copy").collect()
    raw = labelled.drop("duration_minutes", "reason")
    raw.write_parquet(output / "raw_trips.parquet", compression="snappy")
    rejected = labelled.filter(pl.col("reason").is_not_null())
    rejected.write_parquet(output / "rejected_trips.parquet", compression="snappy")
    clean = labelled.filter(pl.col("reason").is_null()).select(CLEAN)
    clean.write_parquet(output / "clean_trips.parquet", compression="snappy")
    features = _features(clean, source)
    features.write_parquet(output / "trip_features.parquet", compression="snappy")
    return _numbers(labelled, clean, features, begin, end)


def _scan(source: Path, month: Month) -> "pl.LazyFrame":
    import polars as pl

    path = month_path(source, month)
    names, types = canonical_names(path), canonical_types()
    kinds = {"SMALLINT": pl.Int16, "INTEGER": pl.Int32, "DOUBLE": pl.Float64, "VARCHAR": pl.String}
    casts = [
        pl.col(published).cast(kinds[types[name]], strict=False).alias(name)
        if types[name] in kinds
        else pl.col(published).cast(pl.Datetime("us")).alias(name)
        for published, name in names.items()
    ]
    seconds = (pl.col("dropoff_at") - pl.col("pickup_at")).dt.total_seconds()
    return (
        pl.scan_parquet(path)
        .select(casts)
        .with_row_index("source_row")
        .select(
            pl.lit(SERVICE).alias("service"),
            pl.lit(month.first_day).alias("month"),
            pl.col("source_row").cast(pl.Int64),
            pl.exclude("source_row"),
        )
        .with_columns(
            (seconds / 60.0).alias("duration_minutes"), (~pl.struct(TRIP).is_first_distinct()).alias("is_copy")
        )
    )


def _reason(begin: datetime, end: datetime) -> "pl.Expr":
    import polars as pl

    minutes, miles = pl.col("duration_minutes"), pl.col("trip_distance_miles")
    on_map = [pl.col(name).is_between(1, ZONES) for name in ("pickup_zone_id", "dropoff_zone_id")]
    rules = {
        "needed_value_missing": pl.any_horizontal(pl.col(NEEDED).is_null()),
        "pickup_outside_month": ~pl.col("pickup_at").is_between(begin, end, closed="left"),
        "zone_unknown": ~(on_map[0] & on_map[1]),
        "duration_too_short": minutes < SHORTEST,
        "duration_too_long": minutes > LONGEST,
        "speed_impossible": miles > MPH * minutes / 60,
        "duplicate": pl.col("is_copy"),
    }
    return pl.coalesce(pl.when(broken).then(pl.lit(name)) for name, broken in rules.items()).alias("reason")


def _features(clean: "pl.DataFrame", source: Path) -> "pl.DataFrame":
    import polars as pl

    from taxi_assets.features.trip_features import holiday_dates

    places = [(zone, *place) for zone, place in zone_places(source).items()]
    zones = pl.DataFrame(places, schema={"zone": pl.Int16, "x": pl.Float64, "y": pl.Float64}, orient="row").lazy()
    time, day, holidays = pl.col("pickup_at").dt, pl.col("pickup_at").dt.date(), list(holiday_dates())
    hour, weekday = time.hour().cast(pl.Int64), time.weekday().cast(pl.Int64) - 1
    return (
        clean.lazy()
        .join(zones, left_on="pickup_zone_id", right_on="zone", how="left", maintain_order="left")
        .join(zones, left_on="dropoff_zone_id", right_on="zone", how="left", suffix="_end", maintain_order="left")
        .with_columns(
            (weekday * 24 + hour).cast(pl.Int16).alias("hour_of_week"),
            (hour * 60 + time.minute()).cast(pl.Int16).alias("minute_of_day"),
            weekday.cast(pl.Int16).alias("day_of_week"),
            time.ordinal_day().cast(pl.Int16).alias("day_of_year"),
            time.month().cast(pl.Int16).alias("month_of_year"),
            day.is_in(holidays).alias("is_holiday"),
            day.dt.offset_by("1d").is_in(holidays).alias("is_holiday_eve"),
            day.dt.offset_by("-1d").is_in(holidays).alias("is_after_holiday"),
            ((pl.col("x") - pl.col("x_end")) ** 2 + (pl.col("y") - pl.col("y_end")) ** 2)
            .sqrt()
            .alias("zone_distance_miles"),
            (pl.col("pickup_zone_id") == pl.col("dropoff_zone_id")).alias("is_same_zone"),
        )
        .select(FEATURES)
        .collect()
    )


def _numbers(
    labelled: "pl.DataFrame", clean: "pl.DataFrame", features: "pl.DataFrame", begin: datetime, end: datetime
) -> dict[str, "pl.DataFrame"]:
    """The number behind each expectation, one `select` a table."""
    import polars as pl

    is_in_month = pl.col("pickup_at").is_between(begin, end, closed="left")
    common = _common_numbers(is_in_month)
    trips = _trip_numbers()
    return {
        "raw_trips": labelled.lazy().select(**common, **trips, **_raw_numbers(is_in_month)).collect(),
        "clean_trips": clean.lazy().select(**common, **trips, **_clean_numbers()).collect(),
        "trip_features": features.lazy().select(**common, **_feature_numbers()).collect(),
    }


def _common_numbers(is_in_month: "pl.Expr") -> dict[str, "pl.Expr"]:
    import polars as pl

    c = pl.col
    return {
        "rows": pl.len(),
        "services": c("service").n_unique(),
        "months": c("month").n_unique(),
        "rows_distinct": c("source_row").n_unique(),
        "outside_map_start": (~c("pickup_zone_id").is_between(1, ZONES)).sum(),
        "outside_map_end": (~c("dropoff_zone_id").is_between(1, ZONES)).sum(),
        "outside_month": (~is_in_month).sum(),
        "implausible": (~c("duration_minutes").is_between(SHORTEST, LONGEST)).sum(),
    }


def _trip_numbers() -> dict[str, "pl.Expr"]:
    import polars as pl

    sample = pl.struct(TRIP).hash().filter(pl.col("pickup_at").dt.second() == 0)
    people = pl.col("passenger_count")
    return {
        "people": people.count(),
        "odd_people": (~people.is_between(1, 6)).sum(),
        "sampled": sample.len(),
        "sampled_distinct": sample.n_unique(),
    }


def _raw_numbers(is_in_month: "pl.Expr") -> dict[str, "pl.Expr"]:
    import polars as pl

    c, seconds = pl.col, _seconds()
    speed = (c("trip_distance_miles") * 3600 / seconds).filter(seconds > 0)
    return {
        **{f"missing_{name}": c(name).null_count() for name in NEEDED},
        "incomplete": pl.any_horizontal(c(NEEDED).is_null()).sum(),
        "median": c("duration_minutes").median(),
        "days": c("pickup_at").dt.day().filter(is_in_month).n_unique(),
        "zones": c("pickup_zone_id").n_unique(),
        "backward": (c("duration_minutes") <= 0).sum(),
        "distances": (~c("trip_distance_miles").is_between(0, 100, closed="right")).sum(),
        "speeds": (~speed.is_between(4, 14)).sum(),
        "refunds": (c("fare_usd") < 0).sum(),
        "payments": (~c("payment_type_id").is_in([*range(7)])).sum(),
        "rates": (~c("rate_code_id").is_in([*range(1, 7), 99])).sum(),
    }


def _clean_numbers() -> dict[str, "pl.Expr"]:
    import polars as pl

    c = pl.col
    return {
        "incomplete": pl.any_horizontal(c([*NEEDED, "duration_minutes"]).is_null()).sum(),
        "wrong_duration": ((c("duration_minutes") - _seconds() / 60.0).abs() >= 1 / 60).sum(),
        "too_fast": (c("trip_distance_miles") > MPH * c("duration_minutes") / 60).sum(),
        "negative": (c("trip_distance_miles") < 0).sum(),
    }


def _seconds() -> "pl.Expr":
    import polars as pl

    return (pl.col("dropoff_at") - pl.col("pickup_at")).dt.total_seconds()


def _feature_numbers() -> dict[str, "pl.Expr"]:
    import polars as pl

    c, time = pl.col, pl.col("pickup_at").dt
    hour, weekday = time.hour().cast(pl.Int64), time.weekday().cast(pl.Int64) - 1
    calendar = {
        "hour_of_week": (weekday * 24 + hour, 0, 167),
        "minute_of_day": (hour * 60 + time.minute(), 0, 1439),
        "day_of_week": (weekday, 0, 6),
        "day_of_year": (time.ordinal_day(), 1, 366),
        "month_of_year": (time.month(), 1, 12),
    }
    is_same = c("pickup_zone_id") == c("dropoff_zone_id")
    return {
        "incomplete": pl.any_horizontal(c(ALWAYS_PRESENT).is_null()).sum(),
        **{f"range_{name}": (~c(name).is_between(low, high)).sum() for name, (_, low, high) in calendar.items()},
        "calendar": pl.any_horizontal(c(name) != value for name, (value, _, _) in calendar.items()).sum(),
        "same_zone": (c("is_same_zone") != is_same).sum(),
        "far": (~c("zone_distance_miles").is_between(0, 40)).sum(),
        "unknown_distance": c("zone_distance_miles").null_count(),
    }
