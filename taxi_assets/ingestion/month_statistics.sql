-- Main statistics of the raw trips of `compared_trips`, one month.
-- Means are of decimals: a sum of floats depends on the order of the threads.
SELECT
    count(*) AS rows,
    count(DISTINCT pickup_at::DATE) FILTER (pickup_at::DATE BETWEEN month AND last_day(month)) AS days,
    count(DISTINCT date_trunc('hour', pickup_at)) FILTER (pickup_at::DATE BETWEEN month AND last_day(month)) AS hours,
    round(avg(elapsed_seconds(pickup_at, dropoff_at)) / 60, 4) AS mean_duration_minutes,
    round(median(elapsed_seconds(pickup_at, dropoff_at)) / 60, 4) AS median_duration_minutes,
    round(avg(TRY_CAST(trip_distance_miles AS DECIMAL(18, 6))), 4) AS mean_distance_miles,
    round(median(trip_distance_miles), 4) AS median_distance_miles,
    round(avg(TRY_CAST(total_usd AS DECIMAL(18, 6))), 4) AS mean_total_usd,
    round(median(total_usd), 4) AS median_total_usd,
    count(DISTINCT pickup_zone_id) AS zones,
    count(trip_distance_miles) AS distances,
    count(fare_usd) AS fares,
    count(pickup_zone_id) AS pickup_zone_ids,
    count(dropoff_zone_id) AS dropoff_zone_ids
FROM compared_trips
