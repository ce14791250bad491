-- Counts the days and hours of each calendar month with pickups in its raw trips.
SELECT
    month,
    count(DISTINCT pickup_at::DATE) FILTER (pickup_at::DATE BETWEEN month AND last_day(month)) AS days,
    count(DISTINCT date_trunc('hour', pickup_at)) FILTER (pickup_at::DATE BETWEEN month AND last_day(month)) AS hours
FROM raw_trips
WHERE service = $service AND month BETWEEN $first AND $last
GROUP BY month
ORDER BY month
