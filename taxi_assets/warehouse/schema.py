"""The warehouse's tables: names, columns, types, units; used by the DDL, Dagster and the docs."""

from taxi_assets.tlc.columns import RAW_COLUMNS
from taxi_assets.warehouse.monitoring_tables import MONITORING_TABLES
from taxi_assets.warehouse.promotion_tables import PROMOTION_TABLES
from taxi_assets.warehouse.serving_tables import SERVING_TABLES
from taxi_assets.warehouse.table_definition import Column, Table

_KEY = (
    Column("service", "VARCHAR", "TLC's service: green, yellow, fhvhv"),
    Column("month", "DATE", "First day of the month of the trip's file"),
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
    "Features at prediction: `without_recent_traffic`, as in POST /predict, or `with_recent_traffic`",
)
_SCORED = (
    Column("month", "DATE", "First day of the month whose trips were scored"),
    Column("model_version", "BIGINT", "Registered version the month was scored with"),
)
_ERRORS = (
    Column("rmse", "DOUBLE", "Root mean squared error, minutes"),
    Column("mae", "DOUBLE", "Mean absolute error, minutes"),
    Column("bias", "DOUBLE", "Mean of predicted minus actual, minutes"),
)
_FEATURES = (
    Column("hour_of_week", "SMALLINT", "0 is Monday 00:00-00:59, 167 is Sunday 23:00-23:59"),
    Column("minute_of_day", "SMALLINT", "Minutes since midnight, 0-1439"),
    Column("day_of_week", "SMALLINT", "0 is Monday, 6 is Sunday"),
    Column("day_of_year", "SMALLINT", "1 is January 1st"),
    Column("month_of_year", "SMALLINT", "1 is January"),
    Column("is_holiday", "BOOLEAN", "A public holiday in New York"),
    Column("is_holiday_eve", "BOOLEAN", "The day before a public holiday"),
    Column("is_after_holiday", "BOOLEAN", "The day after a public holiday"),
    Column("zone_distance_miles", "DOUBLE", "Straight line between the zones' centroids, miles"),
    Column("is_same_zone", "BOOLEAN", "Starts and ends in the same zone"),
)
_DROPOFF_AT = Column("dropoff_at", "TIMESTAMP", "End of the trip, New York local time")
_DISTANCE = Column("trip_distance_miles", "DOUBLE", "Metered distance, miles; known only after the trip")
_REASON = Column("reason", "VARCHAR", "First cleaning rule it breaks")
_RAW = tuple(Column(column.name, column.type, column.description) for column in RAW_COLUMNS)
_OTHER = (
    Column("other_columns", "JSON", "Columns that are not in the contract, unchanged"),
    Column("unreadable", "JSON", "Unreadable content, unchanged: a `line` with its `text`, or values by column"),
)

_TABLES = (
    Table(
        "source_files",
        (
            Column("file_name", "VARCHAR", "Original name; unprintable characters are escaped"),
            Column("service", "VARCHAR", "Service in the name; NULL if the name is not TLC's"),
            Column("month", "DATE", "First day of the month in the name"),
            Column("bytes", "BIGINT", "Size of the file, bytes"),
            Column("sha256", "VARCHAR", "SHA-256 of the file's bytes; NULL while the file is in the landing folder"),
            Column("rows", "BIGINT", "Trips in the file; NULL for a CSV file until it is ingested"),
            Column("schema_era", "VARCHAR", "Format of the file, detected from its columns"),
            Column("first_seen_at", "TIMESTAMP", "Time of the first scan that found it, UTC"),
            Column("state", "VARCHAR", "arriving, waiting, unaccepted, ingested, superseded or quarantined"),
            Column("reasons", "VARCHAR[]", "Reasons for the state, in sentences"),
            Column("run_id", "VARCHAR", "Dagster run that ingested it"),
            Column("snapshot", "BIGINT", "Warehouse snapshot that published its rows"),
            Column("is_synthetic", "BOOLEAN", "Made by `taxi synth`, not by TLC"),
            Column("path", "VARCHAR", "Path relative to the home folder of these months; unique"),
            Column("request", "BIGINT", "Number of the request to ingest it; `retry` increases it"),
            Column("columns", "VARCHAR[]", "Columns of the file, as published"),
            Column("difference", "JSON", "Changes to the month published before; NULL for the first file of a month"),
            Column(
                "accepted_by", "VARCHAR", "Person who accepted it although much of its month is missing; usually NULL"
            ),
            Column("accepted_at", "TIMESTAMP", "Time of the acceptance, UTC"),
        ),
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
            Column("x_miles", "DOUBLE", "Centroid, miles east in EPSG:2263; NULL if TLC has no shape"),
            Column("y_miles", "DOUBLE", "Centroid, miles north in EPSG:2263; NULL if TLC has no shape"),
            Column("area_square_miles", "DOUBLE", "Area, square miles; NULL if TLC has no shape"),
            Column("is_airport", "BOOLEAN", "Newark, JFK or LaGuardia"),
            Column("shape_wkb", "BLOB", "Polygon in EPSG:2263 feet, well-known binary"),
        ),
    ),
    Table(
        "published_months",
        (
            *_KEY[:2],
            Column("sha256", "VARCHAR", "SHA-256 of the file its rows are from"),
            Column("inputs", "VARCHAR", "Digest of the file, the code and the zones that made its rows"),
            Column("raw_table", "VARCHAR", "Table with its raw rows, of those behind `raw_trips`"),
            Column("rows", "BIGINT", "Raw trips"),
            Column("days", "BIGINT", "Days of the month with pickups"),
            Column("hours", "BIGINT", "Hours of the month with pickups"),
            Column("results", "JSON", "Check results and counts, by table"),
        ),
    ),
    Table("converted_trips", (*_KEY, *_RAW, *_OTHER)),
    Table("raw_trips", (*_KEY, *_RAW, *_OTHER), query="SELECT * FROM converted_trips"),
    Table(
        "file_columns",
        (
            *_KEY[:2],
            Column("position", "INTEGER", "Position of the column in the file, from 0"),
            Column("column_name", "VARCHAR", "Name of the column, as TLC published it"),
            Column("type", "VARCHAR", "Arrow type of the column in the file; `string` for all columns of a CSV file"),
            Column("canonical_name", "VARCHAR", "Its column in `raw_trips`; NULL if it is not in the contract"),
            Column("read_as", "VARCHAR", "Conversion of its times; NULL if they are New York local time already"),
        ),
    ),
    Table(
        "schema_changes",
        (
            *_KEY[:2],
            Column("column_name", "VARCHAR", "Name of the column in the later file"),
            Column("change", "VARCHAR", "new, gone, renamed or retyped"),
            Column("name_before", "VARCHAR", "Its name in the month before; NULL if it is new"),
            Column("type_before", "VARCHAR", "Its type in the month before; NULL if it is new"),
            Column("type_after", "VARCHAR", "Its type in the month; NULL if it is gone"),
            Column("compared_with", "DATE", "First day of the month before: the nearest earlier one in the warehouse"),
        ),
    ),
    Table("rejections", (*_KEY, _DURATION, _REASON)),
    Table(
        "rejected_trips",
        (*_KEY, *_RAW, *_OTHER, _DURATION, _REASON),
        query="SELECT raw_trips.*, duration_minutes, reason FROM raw_trips "
        "JOIN rejections USING (service, month, source_row)",
    ),
    Table(
        "kept_trips",
        (
            *_KEY,
            _TRIP_COLUMNS[0],
            Column(
                "recorded_pickup_at", "TIMESTAMP", "The start as recorded, in an hour that the clocks skip; else NULL"
            ),
            _DROPOFF_AT,
            *_TRIP_COLUMNS[1:],
            _DISTANCE,
            *_FEATURES,
            _DURATION,
        ),
    ),
    Table(
        "clean_trips",
        (*_KEY, _TRIP_COLUMNS[0], _DROPOFF_AT, *_TRIP_COLUMNS[1:], _DISTANCE, _DURATION),
        query="SELECT service, month, source_row, coalesce(recorded_pickup_at, pickup_at) AS pickup_at, dropoff_at, "
        "pickup_zone_id, dropoff_zone_id, passenger_count, trip_distance_miles, duration_minutes FROM {kept_trips}",
    ),
    Table(
        "trip_features",
        (*_KEY, *_TRIP_COLUMNS, *_FEATURES, _DURATION),
        query="SELECT * EXCLUDE (recorded_pickup_at, dropoff_at, trip_distance_miles) FROM {kept_trips}",
    ),
    Table(
        "evaluations",
        (
            *_SCORED,
            Column("scope", "VARCHAR", "Trips scored: `1_to_60_minutes` or `all`, which is 1-180 minutes"),
            Column("model", "VARCHAR", "`duration_model`, the name of a baseline, or `noise_floor`"),
            Column("slice", "VARCHAR", "Column the trips are grouped by; `overall` for all trips"),
            Column("value", "VARCHAR", "Group within the slice"),
            Column("trips", "BIGINT", "Trips scored"),
            *_ERRORS,
            _CONDITION,
        ),
    ),
    Table(
        "evaluation_zones",
        (
            *_SCORED,
            Column("zone_id", "SMALLINT", "TLC zone of the pickup"),
            Column("trips", "BIGINT", "Scored trips from the zone, of 1-60 minutes"),
            *_ERRORS,
            _CONDITION,
        ),
    ),
    Table(
        "feature_importance",
        (
            *_SCORED,
            Column("feature", "VARCHAR", "Feature, or group of related features"),
            Column(
                "rmse_growth_minutes",
                "DOUBLE",
                "Increase of the RMSE when the feature is shuffled among trips, minutes",
            ),
            Column("trips", "BIGINT", "Trips of the sample"),
            _CONDITION,
        ),
    ),
    Table(
        "interval_coverage",
        (
            *_SCORED,
            Column("pickup_borough", "VARCHAR", "Borough of the pickup zone"),
            Column("hour_band", "VARCHAR", "Time of day of the pickup"),
            Column("trips", "BIGINT", "Trips of 1-60 minutes"),
            Column("inside", "BIGINT", "Trips inside their 90 % prediction interval"),
            Column("interval_rms_minutes", "DOUBLE", "Root mean square width of these intervals, minutes"),
            _CONDITION,
        ),
    ),
    Table(
        "promotions",
        (
            Column("month", "DATE", "First day of the month whose trips decided"),
            Column("model_version", "BIGINT", "The challenger's version"),
            Column("champion_version", "BIGINT", "The champion before the decision; NULL if there was none"),
            Column("is_promoted", "BOOLEAN", "True if the version became or stayed champion"),
            Column("state", "VARCHAR", "promoted, refused, waiting for a person, approved or rejected by one"),
            Column("reasons", "VARCHAR[]", "Reasons for the decision, in sentences"),
            Column("trips", "BIGINT", "Trips scored, which neither version was trained on"),
            Column("days", "BIGINT", "Days of these trips, the units of the bootstrap"),
            Column("rmse", "DOUBLE", "The challenger's RMSE, minutes; NULL if it may have been trained on these trips"),
            Column("champion_rmse", "DOUBLE", "The champion's RMSE on the same trips, minutes; NULL if not compared"),
            Column("difference_minutes", "DOUBLE", "The challenger's RMSE minus the champion's, minutes"),
            Column("difference_low", "DOUBLE", "Lower end of the interval of that difference, minutes"),
            Column("difference_high", "DOUBLE", "Upper end of the interval of that difference, minutes"),
            Column("worst_slice", "VARCHAR", "The guarded slice with the largest worsening or smallest gain"),
            Column("worst_slice_worsening", "DOUBLE", "Worsening there, as a share of the champion's RMSE"),
            Column("decided_by", "VARCHAR", "Asset or person that decided"),
            Column("run_id", "VARCHAR", "Dagster run that decided; NULL if a person did"),
            Column("decided_at", "TIMESTAMP", "Time of the decision, UTC"),
            Column("snapshot", "BIGINT", "Warehouse snapshot the trips were read from"),
            Column(
                "scope",
                "VARCHAR",
                "Trips that decided: `1_to_60_minutes` or `all`, which is 1-180 minutes",
            ),
            _CONDITION,
            Column("bias", "DOUBLE", "The challenger's mean of predicted minus actual, minutes"),
            Column("comparison", "JSON", "Thresholds, intervals against the baselines, every slice, guarded scopes"),
        ),
    ),
)

TABLES: dict[str, Table] = {
    table.name: table for table in (*_TABLES, *PROMOTION_TABLES, *SERVING_TABLES, *MONITORING_TABLES)
}
