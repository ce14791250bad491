-- Main statistics of one month's raw trips.
SELECT
    count(*) AS rows,
    count(DISTINCT pickup_at::DATE) FILTER (pickup_at::DATE BETWEEN month AND last_day(month)) AS days,
    count(DISTINCT date_trunc('hour', pickup_at)) FILTER (pickup_at::DATE BETWEEN month AND last_day(month)) AS hours,
    round(avg(elapsed_seconds(pickup_at, dropoff_at)) / 60, 4) AS mean_duration_minutes,
    round(median(elapsed_seconds(pickup_at, dropoff_at)) / 60, 4) AS median_duration_minutes,
    round(avg(trip_distance_miles), 4) AS mean_distance_miles,
    round(median(trip_distance_miles), 4) AS median_distance_miles,
    round(avg(total_usd), 4) AS mean_total_usd,
    round(median(total_usd), 4) AS median_total_usd,
    count(DISTINCT pickup_zone_id) AS zones,
    count(trip_distance_miles) AS distances,
    count(fare_usd) AS fares,
    count(pickup_zone_id) AS pickup_zone_ids,
    count(dropoff_zone_id) AS dropoff_zone_ids
FROM raw_trips
WHERE service = $service AND month = $month
