"""Tables of monitoring: the champion's errors by month and live by day, alerts, and drift."""

from taxi_assets.warehouse.table_definition import Column, Table

_VERSION = Column("model_version", "BIGINT", "Registered version that predicted")
_SLICE = (
    Column(
        "slice",
        "VARCHAR",
        "`overall`, `pickup_borough`, `airport_trip`, `hour_band` or `pair_frequency`: trips of the pair of zones that "
        "the version was trained on",
    ),
    Column("value", "VARCHAR", "Group within the slice"),
)
_ERRORS = (
    Column("rmse", "DOUBLE", "Root mean squared error, minutes"),
    Column("mae", "DOUBLE", "Mean absolute error, minutes"),
    Column("bias", "DOUBLE", "Mean of predicted minus actual, minutes"),
)
_STANDARD_ERROR = Column("rmse_standard_error", "DOUBLE", "Standard error of the RMSE, minutes; NULL without errors")
_INSIDE = Column("inside", "BIGINT", "Of them, inside their 90 % interval; NULL without intervals")
_INTERVAL = Column(
    "interval_rms_minutes", "DOUBLE", "Root mean square width of the 90 % intervals, minutes; NULL without intervals"
)

MONITORING_TABLES = (
    Table(
        "champion_performance",
        (
            Column("month", "DATE", "First day of the new month, which the version was not trained on"),
            Column("model_version", "BIGINT", "Champion before the month's decision"),
            Column("scope", "VARCHAR", "Trips scored: `1_to_60_minutes` or `all`, which is 1-180 minutes"),
            Column("condition", "VARCHAR", "Features at prediction, as the endpoint has them"),
            *_SLICE,
            Column("trips", "BIGINT", "Trips scored"),
            *_ERRORS,
            _STANDARD_ERROR,
            _INSIDE,
            _INTERVAL,
        ),
    ),
    Table(
        "live_performance",
        (
            Column("day", "DATE", "Day of the pickups in New York"),
            Column("variant", "VARCHAR", "Role in the routing: `champion`, `challenger`, `shadow` or `deployment`"),
            _VERSION,
            *_SLICE,
            Column("predictions", "BIGINT", "Predictions, with or without feedback"),
            Column("rides", "BIGINT", "Of them, rides of 1-60 minutes whose actual duration is in `feedback`"),
            *(Column(each.name, each.type, f"{each.description}; NULL without feedback") for each in _ERRORS),
            _STANDARD_ERROR,
            _INSIDE,
            Column(
                "interval_rms_minutes", "DOUBLE", "Root mean square width of the 90 % intervals of these rides, minutes"
            ),
            Column("all_interval_rms_minutes", "DOUBLE", "The same of all predictions, minutes"),
            Column(
                "expected_rmse",
                "DOUBLE",
                "Estimate of the RMSE of all predictions from their intervals, minutes; NULL if uncalibrated",
            ),
            Column("control_low", "DOUBLE", "Lower control limit of the RMSE, minutes; NULL without limits"),
            Column("control_high", "DOUBLE", "Upper control limit of the RMSE, minutes; NULL without limits"),
            Column("ewma", "DOUBLE", "Exponentially weighted mean of the standardised RMSE; NULL without limits"),
            Column("is_flagged", "BOOLEAN", "RMSE or its weighted mean is outside its limits; NULL without limits"),
        ),
    ),
    Table(
        "alerts",
        (
            Column("key", "VARCHAR", "Digest of kind, subject and state: the same condition has the same key"),
            Column("kind", "VARCHAR", "Kind of the condition, such as `run failed` or `file quarantined`"),
            Column("subject", "VARCHAR", "File, month, version or job"),
            Column("text", "VARCHAR", "The condition in a sentence"),
            Column("first_seen_at", "TIMESTAMP", "Time at which it first appeared, UTC"),
            Column("last_seen_at", "TIMESTAMP", "Time at which it last appeared, UTC"),
            Column("times", "BIGINT", "Number of times it appeared: again only after it was resolved"),
            Column("resolved_at", "TIMESTAMP", "Time at which it had ended, UTC; NULL while it lasts"),
            Column("delivered_at", "TIMESTAMP", "Time at which the webhook accepted it, UTC; NULL before"),
            Column("delivery_error", "VARCHAR", "Error of the last attempt; NULL if it succeeded or none was made"),
            Column("attempts", "BIGINT", "Number of attempts to deliver this appearance"),
            Column("attempted_at", "TIMESTAMP", "Time of the last attempt, UTC; NULL before the first"),
        ),
    ),
    Table(
        "drift_reports",
        (
            Column("month", "DATE", "First day of the month compared"),
            Column("feature", "VARCHAR", "Feature, target, or a sign of how trips are recorded"),
            Column("psi", "DOUBLE", "Population stability index against the training months"),
            Column("verdict", "VARCHAR", "stable, watch or drifted"),
            Column("reference_mean", "DOUBLE", "Mean over the training months"),
            Column("month_mean", "DOUBLE", "Mean over the month"),
            Column("role", "VARCHAR", "input, target or recording"),
            Column("psi_limit", "DOUBLE", "Index that a month without drift rarely exceeds"),
            Column("p_value", "DOUBLE", "Probability of the index without drift"),
            Column("weight", "DOUBLE", "Weight of the feature by the model's importance; the mean weight is 1"),
        ),
    ),
    Table(
        "drift_verdicts",
        (
            Column("month", "DATE", "First day of the month compared"),
            Column("model_version", "BIGINT", "The champion it was compared for; NULL if there was none"),
            Column("verdict", "VARCHAR", "stable, watch, retrain or fix data"),
            Column("facts", "VARCHAR[]", "The sentences that decided it"),
            Column("false_alarm_months", "BIGINT", "Expected months between two false alarms"),
            Column("reference_months", "DATE[]", "First days of the training months"),
            Column("reference_trips", "BIGINT", "Kept trips of the training months"),
            Column("trips", "BIGINT", "Kept trips of the month"),
        ),
    ),
    Table(
        "retraining_decisions",
        (
            Column("month", "DATE", "First day of the ingested month"),
            Column("is_retraining", "BOOLEAN", "True if the month trains a model"),
            Column("reason", "VARCHAR", "Reason for the decision"),
            Column("mode", "VARCHAR", "`TAXI_RETRAIN` at the decision: monthly, drift or never"),
            Column("verdict", "VARCHAR", "The drift verdict on the month; NULL if there was none"),
            Column("earlier_verdict", "VARCHAR", "The drift verdict on the month before; NULL if there was none"),
            Column("model_version", "BIGINT", "Champion that was measured on the month; NULL if none was"),
            Column(
                "error_growth",
                "DOUBLE",
                "Growth of its error beside its intervals' width since its evaluation, as a share; NULL if unknown",
            ),
            Column("last_training", "DATE", "First day of the latest earlier month with a training; NULL if none"),
            Column("trainings", "BIGINT", "Months with a training among the eleven before"),
            Column("decided_by", "VARCHAR", "Asset, command or person that decided"),
            Column("decided_at", "TIMESTAMP", "Time of the decision, UTC"),
            Column("snapshot", "BIGINT", "Warehouse snapshot that the facts were read from"),
            Column("run_id", "VARCHAR", "Dagster run that decided; NULL outside Dagster"),
        ),
    ),
)
