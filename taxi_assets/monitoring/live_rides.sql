-- Predictions of rides with pickups on the given days in New York, with their actual minutes where they are known and
-- within the primary scope. A shadow's actual minutes are those of the answer that it repeats.
WITH known AS (
    SELECT request_id AS answer_id, arg_min(actual_minutes, received_at) AS actual_minutes
    FROM feedback
    WHERE request_id IS NOT NULL
    GROUP BY request_id
)
SELECT
    pickup_at::DATE AS day,
    variant,
    model_version,
    service,
    pickup_zone_id,
    dropoff_zone_id,
    (isodow(pickup_at) - 1) * 24 + hour(pickup_at) AS hour_of_week,
    duration_minutes AS minutes,
    low_minutes AS low,
    high_minutes AS high,
    CASE WHEN actual_minutes BETWEEN $shortest AND $longest THEN actual_minutes END AS duration_minutes
FROM predictions
LEFT JOIN known ON answer_id = coalesce(shadow_of, request_id)
WHERE pickup_at::DATE IN (SELECT unnest($days))
ORDER BY request_id
