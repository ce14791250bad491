-- At most $rows kept trips of the training months and as many of the measured month, the same at each call.
-- A zone is a category, not a number.
WITH chosen AS (
    SELECT
        month = $month AS is_current_month,
        hash(service, month, source_row) AS draw,
        service,
        pickup_zone_id::VARCHAR AS pickup_zone_id,
        dropoff_zone_id::VARCHAR AS dropoff_zone_id,
        passenger_count,
        minute_of_day // 60 AS hour_of_day,
        day_of_week::VARCHAR AS day_of_week,
        is_same_zone::VARCHAR AS is_same_zone,
        zone_distance_miles,
        trip_distance_miles,
        duration_minutes
    FROM kept_trips
    WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))
)
SELECT * EXCLUDE draw FROM (FROM chosen WHERE NOT is_current_month ORDER BY draw LIMIT $rows)
UNION ALL
SELECT * EXCLUDE draw FROM (FROM chosen WHERE is_current_month ORDER BY draw LIMIT $rows)
