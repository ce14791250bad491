-- Sums over the training trips of one service and month, by pair of zones and period; by week too if $by_week.
-- In whole 2^-32ths, since a sum of integers is equal in every order of the rows.
SELECT
    CASE WHEN $by_week THEN epoch_us(pickup_at) // 604_800_000_000 ELSE 0 END AS week,
    pickup_zone_id AS starts,
    dropoff_zone_id AS ends,
    (CASE WHEN day_of_week >= 5 OR is_holiday THEN 24 ELSE 0 END + minute_of_day // 60)::INTEGER AS period,
    count(*)::DOUBLE AS count,
    sum(round(duration_minutes * 4294967296)::BIGINT)::DOUBLE / 4294967296 AS total,
    sum(round(ln(duration_minutes) * 4294967296)::BIGINT)::DOUBLE / 4294967296 AS logs,
    sum(round(duration_minutes ** 2 * 4294967296)::BIGINT)::DOUBLE / 4294967296 AS squares,
    min(duration_minutes) AS shortest,
    max(duration_minutes) AS longest
FROM trip_features
WHERE service = $service AND month = $month
    AND duration_minutes BETWEEN $shortest_minutes AND $longest_minutes
GROUP BY ALL
ORDER BY ALL
