-- The number and a checksum of the training trips of a window, equal in every order of the rows.
SELECT count(*) AS trips, coalesce(sum(hash(inputs)), 0)::VARCHAR AS checksum
FROM (
    SELECT trip_features, vendor_id
    FROM trip_features
    LEFT JOIN (
        SELECT service, month, source_row, vendor_id FROM raw_trips
        WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))
    ) AS vendors USING (service, month, source_row)
    WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))
        AND duration_minutes BETWEEN $shortest_minutes AND $longest_minutes
) AS inputs
