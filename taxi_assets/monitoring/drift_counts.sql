-- Counts each value of each feature in the training months and in the measured month: one row for each value.
-- Features that follow the calendar alone (day of the year, holidays) are left out. Two columns are added: the
-- duration divided by the training months' mean between the same zones, and the straight-line speed. They show a
-- change of traffic speed even if the mix of trips stays the same. Means are of decimals, whose sum is exact: a sum of
-- doubles depends on the order of the threads, and its last digit decides how a ratio is rounded.
WITH chosen AS (
    SELECT *, month = $month AS is_current_month, round(zone_distance_miles) AS mile
    FROM trip_features
    WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))
),

pairs AS (
    SELECT service, pickup_zone_id, dropoff_zone_id, avg(duration_minutes::DECIMAL(18, 6)) AS minutes
    FROM chosen
    WHERE NOT is_current_month
    GROUP BY ALL
    -- A trip is part of its own pair's mean; among 30 or more trips its weight is small.
    HAVING count(*) >= 30
),

miles AS (
    SELECT service, mile, avg(duration_minutes::DECIMAL(18, 6)) AS minutes
    FROM chosen
    WHERE NOT is_current_month
    GROUP BY ALL
    HAVING count(*) >= 30
),

trips AS (
    SELECT
        is_current_month,
        list_position($services, service) AS service,
        pickup_zone_id, dropoff_zone_id, passenger_count, day_of_week, minute_of_day, is_same_zone::TINYINT AS is_same_zone,
        zone_distance_miles, duration_minutes,
        round(duration_minutes / coalesce(pairs.minutes, miles.minutes), 2) AS duration_ratio,
        round(60 * nullif(zone_distance_miles, 0) / duration_minutes, 1) AS straight_line_mph
    FROM chosen
    LEFT JOIN pairs USING (service, pickup_zone_id, dropoff_zone_id)
    LEFT JOIN miles USING (service, mile)
)
SELECT
    is_current_month,
    CASE 0
        WHEN grouping(service) THEN 'service'
        WHEN grouping(pickup_zone_id) THEN 'pickup_zone_id'
        WHEN grouping(dropoff_zone_id) THEN 'dropoff_zone_id'
        WHEN grouping(passenger_count) THEN 'passenger_count'
        WHEN grouping(day_of_week) THEN 'day_of_week'
        WHEN grouping(minute_of_day) THEN 'minute_of_day'
        WHEN grouping(is_same_zone) THEN 'is_same_zone'
        WHEN grouping(zone_distance_miles) THEN 'zone_distance_miles'
        WHEN grouping(duration_minutes) THEN 'duration_minutes'
        WHEN grouping(duration_ratio) THEN 'duration_ratio'
        WHEN grouping(straight_line_mph) THEN 'straight_line_mph'
    END AS feature,
    coalesce(
        service, pickup_zone_id, dropoff_zone_id, passenger_count, day_of_week, minute_of_day, is_same_zone,
        zone_distance_miles, duration_minutes, duration_ratio, straight_line_mph
    )::DOUBLE AS value,
    count(*) AS trips
FROM trips
GROUP BY GROUPING SETS (
    (is_current_month, service),
    (is_current_month, pickup_zone_id),
    (is_current_month, dropoff_zone_id),
    (is_current_month, passenger_count),
    (is_current_month, day_of_week),
    (is_current_month, minute_of_day),
    (is_current_month, is_same_zone),
    (is_current_month, zone_distance_miles),
    (is_current_month, duration_minutes),
    (is_current_month, duration_ratio),
    (is_current_month, straight_line_mph)
)
