-- The kept trips of the training months and of the measured month, each value in a bin of fixed ends.
-- Two columns tell a change of the streets or of the meter, whatever the mix of trips: the duration divided by the
-- training months' mean between the same zones, and the metered distance divided by the straight line.
-- Means are of decimals, whose sum is exact: a sum of doubles depends on the order of the threads.
WITH chosen AS (
    SELECT *, month = $month AS is_current_month, round(zone_distance_miles) AS mile
    FROM kept_trips
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

measured AS (
    SELECT
        chosen.*,
        duration_minutes / coalesce(pairs.minutes, miles.minutes) AS duration_ratio,
        nullif(trip_distance_miles, 0) / nullif(zone_distance_miles, 0) AS distance_ratio
    FROM chosen
    LEFT JOIN pairs USING (service, pickup_zone_id, dropoff_zone_id)
    LEFT JOIN miles USING (service, mile)
)
SELECT
    is_current_month,
    pickup_at::DATE AS day,
    list_position($services, service)::SMALLINT AS service,
    pickup_zone_id, dropoff_zone_id, passenger_count,
    (minute_of_day // 60)::SMALLINT AS hour_of_day,
    day_of_week,
    is_same_zone::SMALLINT AS is_same_zone,
    floor(4 * ln(0.5 + zone_distance_miles))::SMALLINT AS zone_distance_miles,
    floor(6 * ln(duration_minutes))::SMALLINT AS duration_minutes,
    floor(12 * ln(greatest(least(duration_ratio, 5), 0.2)))::SMALLINT AS duration_ratio,
    floor(8 * ln(greatest(least(distance_ratio, 10), 0.1)))::SMALLINT AS distance_ratio,
    round(duration_minutes, 3)::DECIMAL(18, 3) AS minutes,
    round(duration_ratio, 3)::DECIMAL(18, 3) AS exact_ratio,
    round(distance_ratio, 3)::DECIMAL(18, 3) AS exact_distance_ratio,
    round(zone_distance_miles, 3)::DECIMAL(18, 3) AS miles
FROM measured
