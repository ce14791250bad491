-- Squared errors of rides whose duration is known, of the champion and of the variant compared with it, in the order in
-- which their durations became known. A shadow predicted the champion's own rides: both errors are of one ride. A
-- challenger answered other riders: its rides and the champion's of the same days are separate rows.
WITH known AS (
    SELECT request_id, min(received_at) AS received_at, arg_min(actual_minutes, received_at) AS actual_minutes
    FROM feedback
    WHERE request_id IS NOT NULL
    GROUP BY request_id
),
measured AS (
    SELECT
        predictions.*, known.received_at, known.actual_minutes,
        (predictions.duration_minutes - known.actual_minutes) ** 2 AS squared_error
    FROM predictions
    JOIN known ON known.request_id = coalesce(predictions.shadow_of, predictions.request_id)
    WHERE known.actual_minutes BETWEEN $shortest AND $longest
),
champion AS (SELECT * FROM measured WHERE variant = 'champion' AND shadow_of IS NULL),
challengers AS (
    SELECT variant, model_version, min(answered_at) AS first_answered_at, max(answered_at) AS last_answered_at
    FROM measured
    WHERE starts_with(variant, 'challenger')
    GROUP BY ALL
)
SELECT
    shadow.variant, shadow.model_version, champion.model_version AS champion_version, shadow.received_at,
    shadow.answered_at, shadow.request_id, shadow.squared_error, champion.squared_error AS champion_squared_error
FROM measured AS shadow
JOIN champion ON champion.request_id = shadow.shadow_of
UNION ALL
SELECT
    measured.variant, measured.model_version, NULL, measured.received_at, measured.answered_at,
    measured.request_id, squared_error, NULL
FROM measured
WHERE starts_with(measured.variant, 'challenger')
UNION ALL
SELECT
    challengers.variant, challengers.model_version, champion.model_version, champion.received_at,
    champion.answered_at, champion.request_id, NULL, champion.squared_error
FROM challengers
JOIN champion ON champion.answered_at BETWEEN challengers.first_answered_at AND challengers.last_answered_at
ORDER BY variant, model_version, received_at, request_id
