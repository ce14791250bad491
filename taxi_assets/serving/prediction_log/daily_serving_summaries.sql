-- Predictions of the given days by day, variant and version; latencies of POST /predict. A shadow's error is measured by
-- the feedback to the answer that it repeats.
WITH known AS (
    SELECT request_id AS answer_id, arg_min(actual_minutes, received_at) AS actual_minutes
    FROM feedback
    WHERE request_id IS NOT NULL
    GROUP BY request_id
)
SELECT
    answered_at::DATE AS day,
    variant,
    model_version,
    shadow_of IS NOT NULL AS is_shadow,
    count(*) AS predictions,
    count(DISTINCT rider) AS riders,
    count(*) FILTER (warnings > 0) AS with_warnings,
    count(traffic_age_seconds) AS with_recent_traffic,
    count(actual_minutes) AS with_feedback,
    sqrt(avg((duration_minutes - actual_minutes) ** 2)) AS rmse,
    avg(duration_minutes - actual_minutes) AS bias,
    avg(duration_minutes) AS mean_minutes,
    avg(high_minutes - low_minutes) AS mean_interval_minutes,
    quantile_cont(latency_microseconds, 0.5) FILTER (request_rides = 1) AS latency_p50_microseconds,
    quantile_cont(latency_microseconds, 0.9) FILTER (request_rides = 1) AS latency_p90_microseconds,
    quantile_cont(latency_microseconds, 0.99) FILTER (request_rides = 1) AS latency_p99_microseconds,
    max(latency_microseconds) FILTER (request_rides = 1) AS latency_max_microseconds
FROM predictions
LEFT JOIN known ON answer_id = coalesce(shadow_of, request_id)
WHERE answered_at::DATE IN (SELECT unnest($days))
GROUP BY ALL
