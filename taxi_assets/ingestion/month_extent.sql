-- Counts the rows of `month_trips`, and the days and hours of their calendar month with pickups. Grouping whole numbers
-- takes half the time of counting distinct timestamps.
WITH hours AS (
    SELECT
        CASE WHEN isfinite(pickup_at) THEN epoch_us(pickup_at) // 3_600_000_000 END AS number,
        min(month) AS month,
        count(*) AS trips
    FROM month_trips GROUP BY number
),
dated AS (SELECT make_timestamp(number * 3_600_000_000) AS hour, month, trips FROM hours)
SELECT
    coalesce(sum(trips), 0)::BIGINT AS rows,
    count(DISTINCT hour::DATE) FILTER (hour::DATE BETWEEN month AND last_day(month)) AS days,
    count(*) FILTER (hour::DATE BETWEEN month AND last_day(month)) AS hours
FROM dated
