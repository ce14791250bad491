-- The model's inputs and target for the trips of a window of months, in a fixed order.
SELECT
    list_position($all_services, service) - 1 AS service_id,
    trip_features.* EXCLUDE (service, month, source_row),
    vendor_id
FROM trip_features
LEFT JOIN (
    SELECT service, month, source_row, vendor_id FROM raw_trips
    WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))
) AS vendors USING (service, month, source_row)
WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))
    AND duration_minutes BETWEEN $shortest_minutes AND $longest_minutes
ORDER BY service, month, source_row
