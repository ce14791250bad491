"""The warehouse's tables: name, columns, types, units. One definition for the DDL, the Dagster UI and the docs."""

from dataclasses import dataclass

from taxi_assets.tlc.contract import RAW_COLUMNS

__all__ = ["TABLES", "Column", "Table"]


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    description: str
    before: str | None = None  # the value of rows written before the column was there; None: NULL


@dataclass(frozen=True)
class Table:
    """`monthly` tables are kept by service and month, and replaced by service and month."""

    name: str
    columns: tuple[Column, ...]
    monthly: bool = True

    def ddl(self) -> str:
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns})"


_KEY = (
    Column("service", "VARCHAR", "TLC's service: green, yellow, fhvhv"),
    Column("month", "DATE", "First day of the month of the file the trip came in"),
    Column("source_row", "BIGINT", "Row of the trip in that file, from 0"),
)
_TRIP_COLUMNS = (
    Column("pickup_at", "TIMESTAMP", "Start of the trip, New York local time"),
    Column("pickup_zone_id", "SMALLINT", "TLC zone of the start, 1-265"),
    Column("dropoff_zone_id", "SMALLINT", "TLC zone of the end, 1-265"),
    Column("passenger_count", "SMALLINT", "Passengers, as the driver typed it; often missing"),
)
_DURATION = Column("duration_minutes", "DOUBLE", "Elapsed time from pickup to drop-off, minutes: the target")
_CONDITION = Column(
    "condition",
    "VARCHAR",
    "What was known at prediction: `without_recent_traffic`, as at POST /predict, or `with_recent_traffic`",
    before="with_recent_traffic",
)
_RAW = tuple(Column(column.name, column.type, column.description) for column in RAW_COLUMNS)
_OTHER = (
    Column("other_columns", "JSON", "Columns the contract does not know, kept as they came"),
    Column("unreadable", "JSON", "What cannot be read, kept as it came: a `line` with its `text`, or values by column"),
)

_TABLES = (
    Table(
        "source_files",
        (
            Column("file_name", "VARCHAR", "Name it arrived under; what is not printable is shown escaped"),
            Column("service", "VARCHAR", "TLC's service by the name; NULL where the name is not TLC's"),
            Column("month", "DATE", "First day of the month by the name"),
            Column("bytes", "BIGINT", "Size of the file, bytes"),
            Column("sha256", "VARCHAR", "SHA-256 of the file's bytes; NULL while it is not taken"),
            Column("rows", "BIGINT", "Trips in the file; of a text file known once it is ingested"),
            Column("schema_era", "VARCHAR", "Format of the file, told by its columns"),
            Column("first_seen_at", "TIMESTAMP", "When it was first seen, UTC"),
            Column("state", "VARCHAR", "arriving, waiting, unaccepted, ingested, superseded or quarantined"),
            Column("reasons", "VARCHAR[]", "Why it is in that state, in sentences"),
            Column("run_id", "VARCHAR", "Dagster run that ingested it"),
            Column("snapshot", "BIGINT", "Snapshot of the lake since which its rows are seen"),
            Column("is_synthetic", "BOOLEAN", "Made by `taxi synth`, not by TLC"),
            Column("path", "VARCHAR", "Where it is, below the folder of these months; names one row"),
            Column("request", "BIGINT", "Number of the request to ingest it; `retry` gives another"),
            Column("columns", "VARCHAR[]", "Columns of the file, as published"),
            Column("difference", "JSON", "What it changed of the month published before; NULL where it was the first"),
            Column(
                "accepted_by", "VARCHAR", "Who accepted it though much of its month is missing; NULL where nobody did"
            ),
            Column("accepted_at", "TIMESTAMP", "When it was accepted, UTC"),
        ),
        monthly=False,
    ),
    Table(
        "taxi_zones",
        (
            Column("zone_id", "SMALLINT", "TLC's number of the zone, 1-265"),
            Column("zone", "VARCHAR", "Name of the zone"),
            Column(
                "borough",
                "VARCHAR",
                "Borough, `EWR` for Newark Airport; `Unknown` (264), `Outside of NYC` (265)",
            ),
            Column("service_zone", "VARCHAR", "TLC's service zone"),
            Column("x_miles", "DOUBLE", "Centroid, miles east in EPSG:2263; NULL where TLC draws no shape"),
            Column("y_miles", "DOUBLE", "Centroid, miles north in EPSG:2263; NULL where TLC draws no shape"),
            Column("area_square_miles", "DOUBLE", "Area; NULL where TLC draws no shape"),
            Column("is_airport", "BOOLEAN", "Newark, JFK or LaGuardia"),
            Column("shape_wkb", "BLOB", "Polygon in EPSG:2263 feet, well-known binary"),
        ),
        monthly=False,
    ),
    Table("raw_trips", (*_KEY, *_RAW, *_OTHER)),
    Table(
        "file_columns",
        (
            *_KEY[:2],
            Column("position", "INTEGER", "Place of the column in the file, from 0"),
            Column("column_name", "VARCHAR", "Name of the column, as TLC published it"),
            Column("type", "VARCHAR", "Type of the column in the file, as Arrow calls it; `string` for all of a CSV's"),
            Column("canonical_name", "VARCHAR", "The column of `raw_trips` it is; NULL where nobody knows it"),
            Column("read_as", "VARCHAR", "How its times are read; NULL where they are New York's clock as it is"),
        ),
    ),
    Table(
        "schema_changes",
        (
            *_KEY[:2],
            Column("column_name", "VARCHAR", "The column, as the later of both files calls it"),
            Column("change", "VARCHAR", "new, gone, renamed or retyped"),
            Column("name_before", "VARCHAR", "Its name in the month before; NULL where it is new"),
            Column("type_before", "VARCHAR", "Its type in the month before; NULL where it is new"),
            Column("type_after", "VARCHAR", "Its type in the month; NULL where it is gone"),
            Column("compared_with", "DATE", "First day of the month before: the nearest earlier one held"),
        ),
    ),
    Table(
        "rejected_trips",
        (*_KEY, *_RAW, *_OTHER, _DURATION, Column("reason", "VARCHAR", "First rule it breaks")),
    ),
    Table(
        "clean_trips",
        (
            *_KEY,
            _TRIP_COLUMNS[0],
            Column("dropoff_at", "TIMESTAMP", "End of the trip, New York local time"),
            *_TRIP_COLUMNS[1:],
            Column("trip_distance_miles", "DOUBLE", "Metered distance, miles; known only after the trip"),
            _DURATION,
        ),
    ),
    Table(
        "trip_features",
        (
            *_KEY,
            *_TRIP_COLUMNS,
            Column("hour_of_week", "SMALLINT", "0 is Monday midnight to one, 167 Sunday eleven to midnight"),
            Column("minute_of_day", "SMALLINT", "Minutes since midnight, 0-1439"),
            Column("day_of_week", "SMALLINT", "0 is Monday, 6 is Sunday"),
            Column("day_of_year", "SMALLINT", "1 is January 1st"),
            Column("month_of_year", "SMALLINT", "1 is January"),
            Column("is_holiday", "BOOLEAN", "A public holiday in New York"),
            Column("is_holiday_eve", "BOOLEAN", "The day before one"),
            Column("is_after_holiday", "BOOLEAN", "The day after one"),
            Column("zone_distance_miles", "DOUBLE", "Straight line between the zones' centroids, miles"),
            Column("is_same_zone", "BOOLEAN", "Starts and ends in the same zone"),
            _DURATION,
        ),
    ),
    Table(
        "evaluations",
        (
            Column("month", "DATE", "First day of the month whose trips were scored"),
            Column("model_version", "BIGINT", "Registered version the month was scored with"),
            Column("scope", "VARCHAR", "Which trips: `1_to_60_minutes` lasts 1-60 minutes, `all` 1-180"),
            Column("model", "VARCHAR", "`duration_model`, the name of a baseline, or `noise_floor`"),
            Column("slice", "VARCHAR", "What the trips are divided by; `overall` for all of them"),
            Column("value", "VARCHAR", "Which part of them"),
            Column("trips", "BIGINT", "Trips scored"),
            Column("rmse", "DOUBLE", "Root mean squared error, minutes"),
            Column("mae", "DOUBLE", "Mean absolute error, minutes"),
            Column("bias", "DOUBLE", "Mean of predicted minus actual, minutes"),
            _CONDITION,
        ),
        monthly=False,
    ),
    Table(
        "evaluation_zones",
        (
            Column("month", "DATE", "First day of the month whose trips were scored"),
            Column("model_version", "BIGINT", "Registered version the month was scored with"),
            Column("zone_id", "SMALLINT", "TLC zone of the pickup"),
            Column("trips", "BIGINT", "Trips from there, of 1-60 minutes"),
            Column("rmse", "DOUBLE", "Root mean squared error, minutes"),
            Column("mae", "DOUBLE", "Mean absolute error, minutes"),
            Column("bias", "DOUBLE", "Mean of predicted minus actual, minutes"),
            _CONDITION,
        ),
        monthly=False,
    ),
    Table(
        "feature_importance",
        (
            Column("month", "DATE", "First day of the month whose trips were scored"),
            Column("model_version", "BIGINT", "Registered version the month was scored with"),
            Column("feature", "VARCHAR", "Input, or inputs that say one thing together"),
            Column("rmse_growth_minutes", "DOUBLE", "What the RMSE grows by where it is shuffled among trips"),
            Column("trips", "BIGINT", "Trips of the sample"),
            _CONDITION,
        ),
        monthly=False,
    ),
    Table(
        "interval_coverage",
        (
            Column("month", "DATE", "First day of the month whose trips were scored"),
            Column("model_version", "BIGINT", "Registered version the month was scored with"),
            Column("pickup_borough", "VARCHAR", "Borough of the pickup zone"),
            Column("hour_band", "VARCHAR", "Part of the day of the pickup"),
            Column("trips", "BIGINT", "Trips of 1-60 minutes"),
            Column("inside", "BIGINT", "Those that ended inside their 90 % interval"),
            _CONDITION,
        ),
        monthly=False,
    ),
    Table(
        "promotions",
        (
            Column("month", "DATE", "First day of the month the decision rests on"),
            Column("model_version", "BIGINT", "The version that would be champion"),
            Column("champion_version", "BIGINT", "The champion before; NULL where there was none"),
            Column("is_promoted", "BOOLEAN", "It became, or stayed, champion"),
            Column("reasons", "VARCHAR[]", "Why, in sentences"),
            Column("trips", "BIGINT", "Trips it was scored on, unseen by both"),
            Column("days", "BIGINT", "Days of these trips, which the bootstrap draws"),
            Column("rmse", "DOUBLE", "Its RMSE on them, minutes; NULL where it may have seen them"),
            Column("champion_rmse", "DOUBLE", "The champion's on the same, minutes; NULL where nothing was compared"),
            Column("difference_minutes", "DOUBLE", "Its RMSE minus the champion's"),
            Column("difference_low", "DOUBLE", "Lower end of the interval of that difference, minutes"),
            Column("difference_high", "DOUBLE", "Upper end of the interval of that difference, minutes"),
            Column("worst_slice", "VARCHAR", "The guarded slice that worsened most, or gained least"),
            Column("worst_slice_worsening", "DOUBLE", "By which share of the champion's RMSE there"),
            Column("decided_by", "VARCHAR", "What or who decided: an asset, or a person's name"),
            Column("run_id", "VARCHAR", "The Dagster run that decided; NULL where a person did"),
            Column("decided_at", "TIMESTAMP", "When, UTC"),
            Column("snapshot", "BIGINT", "The lake's snapshot the trips were read from"),
            Column(
                "scope",
                "VARCHAR",
                "Which trips decided: `1_to_60_minutes` lasts 1-60 minutes, `all` 1-180",
                before="all",
            ),
            _CONDITION,
            Column("bias", "DOUBLE", "Its mean of predicted minus actual on them, minutes"),
        ),
        monthly=False,
    ),
    Table(
        "drift_reports",
        (
            Column("month", "DATE", "First day of the month looked at"),
            Column("feature", "VARCHAR", "Feature, or the target"),
            Column("psi", "DOUBLE", "Population stability index against the training months"),
            Column("verdict", "VARCHAR", "stable, watch or drifted"),
            Column("reference_mean", "DOUBLE", "Mean over the training months"),
            Column("month_mean", "DOUBLE", "Mean over the month"),
        ),
        monthly=False,
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
