-- A checksum of each month's raw trips up to a month; it changes with any column a back-test uses.
SELECT
    month, count(*) AS trips,
    bit_xor(hash(
        source_row, pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id, trip_distance_miles, vendor_id, passenger_count
    )) AS digest
FROM raw_trips
WHERE service = $service AND month <= $month
GROUP BY month
ORDER BY month
