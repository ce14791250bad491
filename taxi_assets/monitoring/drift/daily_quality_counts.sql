-- Counts raw trips by day, by their number of missing values and by the cleaning rule they break.
-- A pickup outside its file's month counts on the nearest day of it.
WITH raw AS (
    SELECT
        raw_trips.month = $month AS is_current_month,
        least(greatest(pickup_at::DATE, month), (month + INTERVAL 1 MONTH)::DATE - 1) AS day,
        (passenger_count IS NULL)::INTEGER + (rate_code_id IS NULL)::INTEGER + (payment_type_id IS NULL)::INTEGER
        + (trip_distance_miles IS NULL)::INTEGER + (fare_usd IS NULL)::INTEGER + (total_usd IS NULL)::INTEGER
        + (pickup_zone_id IS NULL)::INTEGER + (dropoff_zone_id IS NULL)::INTEGER AS missing_values,
        coalesce(reason, 'kept') AS outcome
    FROM raw_trips
    LEFT JOIN rejections USING (service, month, source_row)
    WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months)) AND pickup_at IS NOT NULL
)
SELECT
    is_current_month,
    day,
    CASE 0 WHEN grouping(missing_values) THEN 'missing_values' ELSE 'rejection_reason' END AS feature,
    coalesce(missing_values::VARCHAR, outcome) AS bin,
    count(*) AS trips
FROM raw
GROUP BY GROUPING SETS ((is_current_month, day, missing_values), (is_current_month, day, outcome))
