-- The rides of a window of months as the model takes them, in an order that never changes.
SELECT
    list_position($all_services, service) - 1 AS service_id,
    * EXCLUDE (service, month, source_row, passenger_count),
    service
FROM trip_features
WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))
    AND duration_minutes BETWEEN $shortest_minutes AND $longest_minutes
ORDER BY service, month, source_row
