-- Counts the trips of `drift_trips` by day and bin, for each feature: one row for each bin of a day.
SELECT
    is_current_month,
    day,
    CASE 0
        WHEN grouping(service) THEN 'service'
        WHEN grouping(pickup_zone_id) THEN 'pickup_zone_id'
        WHEN grouping(dropoff_zone_id) THEN 'dropoff_zone_id'
        WHEN grouping(passenger_count) THEN 'passenger_count'
        WHEN grouping(hour_of_day) THEN 'hour_of_day'
        WHEN grouping(day_of_week) THEN 'day_of_week'
        WHEN grouping(is_same_zone) THEN 'is_same_zone'
        WHEN grouping(zone_distance_miles) THEN 'zone_distance_miles'
        WHEN grouping(duration_minutes) THEN 'duration_minutes'
        WHEN grouping(duration_ratio) THEN 'duration_ratio'
        WHEN grouping(distance_ratio) THEN 'metered_distance_ratio'
    END AS feature,
    coalesce(
        service, pickup_zone_id, dropoff_zone_id, passenger_count, hour_of_day, day_of_week, is_same_zone,
        zone_distance_miles, duration_minutes, duration_ratio, distance_ratio
    )::VARCHAR AS bin,
    count(*) AS trips
FROM drift_trips
GROUP BY GROUPING SETS (
    (is_current_month, day, service),
    (is_current_month, day, pickup_zone_id),
    (is_current_month, day, dropoff_zone_id),
    (is_current_month, day, passenger_count),
    (is_current_month, day, hour_of_day),
    (is_current_month, day, day_of_week),
    (is_current_month, day, is_same_zone),
    (is_current_month, day, zone_distance_miles),
    (is_current_month, day, duration_minutes),
    (is_current_month, day, duration_ratio),
    (is_current_month, day, distance_ratio)
)
-- Missing values are measured by `missing_values`; here they would hide a change of the others.
HAVING bin IS NOT NULL
