-- Counts the rows of `month_trips`, and the days and hours of their calendar month with pickups.
SELECT
    count(*) AS rows,
    count(DISTINCT pickup_at::DATE) FILTER (pickup_at::DATE BETWEEN month AND last_day(month)) AS days,
    count(DISTINCT date_trunc('hour', pickup_at)) FILTER (pickup_at::DATE BETWEEN month AND last_day(month)) AS hours
FROM month_trips
