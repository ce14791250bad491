-- The raw trips of one month that break a rule, whole, with the first rule each breaks. Names and reasons of the rules: taxi_assets/lake/cleaning.py.
WITH measured AS (
    SELECT
        *,
        date_diff('second', pickup_at, dropoff_at) / 60.0 AS duration_minutes,
        row_number() OVER (
            PARTITION BY pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id, trip_distance_miles
            ORDER BY source_row
        ) AS copy_number
    FROM raw_trips
    WHERE service = $service AND month = $month
)
SELECT
    * EXCLUDE (copy_number),
    CASE
        WHEN pickup_at IS NULL OR dropoff_at IS NULL
            OR pickup_zone_id IS NULL OR dropoff_zone_id IS NULL THEN 'needed_value_missing'
        WHEN pickup_at < $month OR pickup_at >= $month + INTERVAL 1 MONTH THEN 'pickup_outside_month'
        WHEN pickup_zone_id NOT BETWEEN 1 AND $zones
            OR dropoff_zone_id NOT BETWEEN 1 AND $zones THEN 'zone_unknown'
        WHEN duration_minutes < $shortest_minutes THEN 'duration_too_short'
        WHEN duration_minutes > $longest_minutes THEN 'duration_too_long'
        WHEN trip_distance_miles > $fastest_mph * duration_minutes / 60 THEN 'speed_impossible'
        WHEN copy_number > 1 THEN 'duplicate'
    END AS reason
FROM measured
WHERE reason IS NOT NULL
