-- Counts the trips of `scored` that are also in the training window. Trips are matched by content, not by file:
-- TLC may publish a trip again in another month's file.
SELECT count(*)
FROM scored
SEMI JOIN (
    FROM trip_features WHERE month IN (SELECT unnest($months)) AND service IN (SELECT unnest($services))
) AS trained_on USING (service, pickup_at, pickup_zone_id, dropoff_zone_id, duration_minutes)
