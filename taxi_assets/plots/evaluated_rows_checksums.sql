-- Checksums of the rows that decide an evaluation: raw trips and features of the months used, and the zones.
SELECT 'raw_trips' AS source, month, count(*) AS row_count, bit_xor(hash(
    service, source_row, pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id, passenger_count, vendor_id
)) AS digest
FROM raw_trips
WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))
GROUP BY month
UNION ALL
SELECT 'trip_features', month, count(*), bit_xor(hash(trip_features))
FROM trip_features
WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))
GROUP BY month
UNION ALL
SELECT 'taxi_zones', NULL, count(*), bit_xor(hash(taxi_zones))
FROM taxi_zones
ORDER BY source, month
