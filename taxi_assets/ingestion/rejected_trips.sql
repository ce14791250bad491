-- The raw trips of one month that break a rule, with the first rule that each breaks.
-- taxi_assets/quality/cleaning_rules.py has the rules' names and reasons.
-- Only the columns that the rules use are read first; all columns are read for the few rejected trips.
WITH measured AS (
    SELECT
        source_row, pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id, trip_distance_miles,
        elapsed_seconds(pickup_at, dropoff_at) / 60.0 AS duration_minutes,
        row_number() OVER (
            PARTITION BY pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id, trip_distance_miles
            ORDER BY source_row
        ) AS copy_number
    FROM raw_trips
    WHERE service = $service AND month = $month
),
broken AS (
    SELECT
        source_row, duration_minutes,
        CASE
            WHEN pickup_at IS NULL OR dropoff_at IS NULL
                OR pickup_zone_id IS NULL OR dropoff_zone_id IS NULL THEN 'needed_value_missing'
            WHEN pickup_at < $month OR pickup_at >= $month + INTERVAL 1 MONTH THEN 'pickup_outside_month'
            WHEN pickup_zone_id NOT BETWEEN 1 AND $zones
                OR dropoff_zone_id NOT BETWEEN 1 AND $zones THEN 'zone_unknown'
            WHEN trip_distance_miles > $fastest_mph * duration_minutes / 60
                AND trip_distance_miles <= $fastest_mph * (duration_minutes + 60) / 60
                AND duration_minutes + 60 <= $longest_minutes
                AND has_two_readings(pickup_at, dropoff_at) THEN 'clock_change_ambiguous'
            WHEN duration_minutes < $shortest_minutes THEN 'duration_too_short'
            WHEN duration_minutes > $longest_minutes THEN 'duration_too_long'
            WHEN trip_distance_miles > $fastest_mph * duration_minutes / 60 THEN 'speed_impossible'
            WHEN copy_number > 1 THEN 'duplicate'
        END AS reason
    FROM measured
    WHERE reason IS NOT NULL
)
SELECT
    raw_trips.*, duration_minutes,
    CASE
        WHEN reason = 'needed_value_missing' AND json_exists(unreadable, '$.line') THEN 'line_unreadable'
        WHEN reason = 'needed_value_missing'
            AND (json_exists(unreadable, '$.pickup_at') OR json_exists(unreadable, '$.dropoff_at')) THEN 'time_unreadable'
        ELSE reason
    END AS reason
FROM raw_trips
JOIN broken USING (source_row)
WHERE service = $service AND month = $month
