-- The trips of one month that break no rule: the raw trips without the rejected ones.
SELECT
    service, month, source_row, pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id, passenger_count,
    trip_distance_miles, elapsed_seconds(pickup_at, dropoff_at) / 60.0 AS duration_minutes
FROM raw_trips
WHERE service = $service AND month = $month
    AND source_row NOT IN (SELECT source_row FROM rejected_trips WHERE service = $service AND month = $month)
