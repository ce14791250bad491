-- The raw trips of one month, picked up in it, whose duration lies in the stated scope. Nothing else is filtered: not
-- what cleaning rejects, and nothing that is known only after the trip, so that figures compare with anyone's on the same
-- files. A trip dated 2008 in a file of 2023 is no trip of the month, and would count as a day of its own.
SELECT
    service, month, source_row, pickup_at, pickup_zone_id, dropoff_zone_id, passenger_count, vendor_id,
    elapsed_seconds(pickup_at, dropoff_at) / 60.0 AS duration_minutes
FROM raw_trips
WHERE service = $service AND month = $month
    AND pickup_at >= month AND pickup_at < month + INTERVAL 1 MONTH
    AND duration_minutes BETWEEN $shortest_minutes AND $longest_minutes
    AND pickup_zone_id BETWEEN 1 AND $zones AND dropoff_zone_id BETWEEN 1 AND $zones
