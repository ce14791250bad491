-- The figures of a raw month that a person looks at first.
SELECT
    count(*) AS rows,
    round(avg(elapsed_seconds(pickup_at, dropoff_at)) / 60, 4) AS mean_duration_minutes,
    round(avg(trip_distance_miles), 4) AS mean_distance_miles,
    round(avg(total_usd), 4) AS mean_total_usd,
    count(DISTINCT pickup_zone_id) AS zones
FROM raw_trips
WHERE service = $service AND month = $month
