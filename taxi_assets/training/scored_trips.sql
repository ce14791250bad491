-- The month's raw trips whose pickup is in the month and whose duration is in scope. No cleaning rule applies, so that
-- figures compare with others on the same files. Trips dated 2008 in a file of 2023 are left out: they would count as a
-- day of their own.
SELECT
    service, month, source_row, pickup_at, pickup_zone_id, dropoff_zone_id, passenger_count, vendor_id,
    elapsed_seconds(pickup_at, dropoff_at) / 60.0 AS duration_minutes
FROM raw_trips
WHERE service = $service AND month = $month
    AND pickup_at >= month AND pickup_at < month + INTERVAL 1 MONTH
    AND duration_minutes BETWEEN $shortest_minutes AND $longest_minutes
    AND pickup_zone_id BETWEEN 1 AND $zones AND dropoff_zone_id BETWEEN 1 AND $zones
