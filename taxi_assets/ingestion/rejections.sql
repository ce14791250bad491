-- The trips of `month_trips` that break a rule, with the first rule that each breaks.
-- taxi_assets/quality/cleaning_rules.py has the rules' names and reasons.
-- Duplicates are searched only among the trips of `possible_duplicates`.
WITH
-- A SELECT of its own: the rules below would each compute the duration again.
timed AS (SELECT *, elapsed_seconds(pickup_at, dropoff_at) / 60.0 AS duration_minutes FROM month_trips),
measured AS (
    SELECT
        *,
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
        END AS broken_rule
    FROM timed
),
suspects AS (
    SELECT
        service, month, source_row, duration_minutes, broken_rule, unreadable,
        row_number() OVER (
            PARTITION BY pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id, trip_distance_miles
            ORDER BY source_row
        ) AS copy_number
    FROM measured
    WHERE broken_rule IS NOT NULL OR source_row IN (SELECT source_row FROM possible_duplicates)
)
SELECT
    service, month, source_row, duration_minutes,
    CASE
        WHEN broken_rule IS NULL THEN 'duplicate'
        WHEN broken_rule = 'needed_value_missing' AND json_exists(unreadable, '$.line') THEN 'line_unreadable'
        WHEN broken_rule = 'needed_value_missing'
            AND (json_exists(unreadable, '$.pickup_at') OR json_exists(unreadable, '$.dropoff_at')) THEN 'time_unreadable'
        ELSE broken_rule
    END AS reason
FROM suspects
WHERE broken_rule IS NOT NULL OR copy_number > 1
