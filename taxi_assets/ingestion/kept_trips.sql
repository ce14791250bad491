-- The trips of `month_trips` that break no rule, before their features are added.
SELECT
    service, month, source_row, pickup_at,
    CASE WHEN existing_time(pickup_at) <> pickup_at THEN pickup_at END AS recorded_pickup_at,
    dropoff_at, pickup_zone_id, dropoff_zone_id, passenger_count, trip_distance_miles,
    elapsed_seconds(pickup_at, dropoff_at) / 60.0 AS duration_minutes
FROM month_trips
WHERE source_row NOT IN (SELECT source_row FROM month_rejections)
