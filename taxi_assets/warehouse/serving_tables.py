"""Tables of the endpoint: its ingested logs, their daily summary and the comparison of variants."""

from taxi_assets.warehouse.table_definition import Column, Table

_VARIANT = Column("variant", "VARCHAR", "Role in the routing: `champion`, `challenger`, `shadow` or `deployment`")
_VENDOR = Column("vendor_id", "SMALLINT", "TLC's id of the vendor; 0 if unknown")
_VERSION = Column("model_version", "BIGINT", "Registered version that predicted")

SERVING_TABLES = (
    Table(
        "predictions",
        (
            Column("request_id", "VARCHAR", "Id of the answer; it names the record's place in the prediction log"),
            Column("answered_at", "TIMESTAMP", "Time of the prediction, UTC"),
            Column("service", "VARCHAR", "TLC's service: green, yellow, fhvhv"),
            Column("pickup_at", "TIMESTAMP", "Start of the ride, New York local time"),
            Column("pickup_utc_offset_hours", "SMALLINT", "New York's offset from UTC then, hours: -4 or -5"),
            Column("pickup_zone_id", "SMALLINT", "TLC zone of the start, 1-265"),
            Column("dropoff_zone_id", "SMALLINT", "TLC zone of the end, 1-265"),
            Column("passenger_count", "SMALLINT", "Passengers; NULL if the request had none"),
            _VENDOR,
            Column("rider", "VARCHAR", "Hash of the rider's key; NULL if the request had none"),
            Column("features", "VARCHAR", "Hash of the model's input; equal inputs have equal hashes"),
            Column("duration_minutes", "DOUBLE", "Predicted duration, minutes"),
            Column("low_minutes", "DOUBLE", "Lower end of the 90 % interval, minutes"),
            Column("high_minutes", "DOUBLE", "Upper end of the 90 % interval, minutes"),
            _VERSION,
            _VARIANT,
            Column("latency_microseconds", "BIGINT", "From the receipt of the request to its record, microseconds"),
            Column("warnings", "SMALLINT", "Number of warnings in the answer"),
            Column(
                "shadow_of", "VARCHAR", "Id of the answer to the same request; NULL if this prediction was answered"
            ),
            Column(
                "traffic_age_seconds",
                "DOUBLE",
                "Age of the newest completed trip in the features, seconds; NULL without recent traffic",
            ),
            Column("request_rides", "BIGINT", "Rides of its request: 1 for POST /predict, more for POST /predict_many"),
        ),
    ),
    Table(
        "logged_segments",
        (
            Column("log", "VARCHAR", "Table of its records: predictions or feedback"),
            Column("segment", "VARCHAR", "Name of the log segment, the first part of its records' ids"),
            Column("records", "BIGINT", "Records in it, all in that table"),
            Column("torn_lines", "BIGINT", "Lines that are no record, from a killed process or machine"),
            Column("first_record_at", "TIMESTAMP", "Time of its first record, UTC"),
            Column("last_record_at", "TIMESTAMP", "Time of its last record, UTC"),
            Column("bytes", "BIGINT", "Size of the segment, bytes"),
            Column("ingested_at", "TIMESTAMP", "Time of its ingestion, UTC"),
            Column("run_id", "VARCHAR", "Dagster run that ingested it; NULL outside Dagster"),
        ),
    ),
    Table(
        "feedback",
        (
            Column("feedback_id", "VARCHAR", "Id of the record; it names the record's place in the feedback log"),
            Column(
                "request_id", "VARCHAR", "Id of the answer it belongs to; NULL if the sender named the trip instead"
            ),
            Column("received_at", "TIMESTAMP", "Time of its receipt, UTC"),
            Column("service", "VARCHAR", "TLC's service: green, yellow, fhvhv"),
            Column("pickup_at", "TIMESTAMP", "Start of the ride, New York local time"),
            Column("pickup_utc_offset_hours", "SMALLINT", "New York's offset from UTC then, hours: -4 or -5"),
            Column("pickup_zone_id", "SMALLINT", "TLC zone of the start, 1-265"),
            Column("dropoff_zone_id", "SMALLINT", "TLC zone of the end, 1-265"),
            _VENDOR,
            Column("actual_minutes", "DOUBLE", "Actual duration of the ride, minutes"),
        ),
    ),
    Table(
        "variant_comparisons",
        (
            _VARIANT,
            _VERSION,
            Column("is_paired", "BOOLEAN", "Both predicted the same rides, as for a shadow"),
            Column("rides", "BIGINT", "Rides of the variant whose duration is known"),
            Column("champion_rides", "BIGINT", "Rides of the champion that it is compared with"),
            Column("rmse", "DOUBLE", "The variant's root mean squared error, minutes"),
            Column("champion_rmse", "DOUBLE", "The champion's root mean squared error, minutes"),
            Column(
                "squared_error_difference",
                "DOUBLE",
                "Mean squared error of the variant minus the champion's, minutes squared",
            ),
            Column("low", "DOUBLE", "Lower end of the difference's interval; NULL while there are few rides"),
            Column("high", "DOUBLE", "Upper end of the difference's interval; NULL while there are few rides"),
            Column("verdict", "VARCHAR", "better or worse if the interval excludes zero, else undecided"),
            Column("compared_at", "TIMESTAMP", "Time of the comparison, UTC"),
            Column("run_id", "VARCHAR", "Dagster run that compared; NULL outside Dagster"),
        ),
    ),
    Table(
        "daily_serving_summaries",
        (
            Column("day", "DATE", "Day of the predictions, UTC"),
            _VARIANT,
            _VERSION,
            Column("is_shadow", "BOOLEAN", "Predictions that were not answered"),
            Column("predictions", "BIGINT", "Number of predictions"),
            Column("riders", "BIGINT", "Number of riders whose key was sent"),
            Column("with_warnings", "BIGINT", "Predictions whose answer has warnings"),
            Column("with_recent_traffic", "BIGINT", "Predictions with recent traffic in their features"),
            Column("with_feedback", "BIGINT", "Predictions of rides whose actual duration is in `feedback`"),
            Column("rmse", "DOUBLE", "Their root mean squared error, minutes; NULL without feedback"),
            Column("bias", "DOUBLE", "Their mean of predicted minus actual, minutes; NULL without feedback"),
            Column("mean_minutes", "DOUBLE", "Mean predicted duration, minutes"),
            Column("mean_interval_minutes", "DOUBLE", "Mean width of the 90 % interval, minutes"),
            Column(
                "latency_p50_microseconds",
                "DOUBLE",
                "Median latency of POST /predict, microseconds; NULL without such predictions",
            ),
            Column("latency_p90_microseconds", "DOUBLE", "90th percentile of the latency, microseconds"),
            Column("latency_p99_microseconds", "DOUBLE", "99th percentile of the latency, microseconds"),
            Column("latency_max_microseconds", "BIGINT", "Largest latency, microseconds"),
        ),
    ),
)
