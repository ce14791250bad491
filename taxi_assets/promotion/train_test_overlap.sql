-- How many of the trips of `scored` are among those of a window, by what they are: not by the file they came in, since
-- TLC may publish a trip again in another month's.
SELECT count(*)
FROM scored
SEMI JOIN (
    FROM trip_features WHERE month IN (SELECT unnest($months)) AND service IN (SELECT unnest($services))
) AS learned USING (service, pickup_at, pickup_zone_id, dropoff_zone_id, duration_minutes)
