-- Means of the numeric features of `drift_trips`, over the training months and over the month.
SELECT
    is_current_month,
    avg(minutes), avg(exact_ratio), avg(exact_distance_ratio), avg(miles), avg(passenger_count), avg(is_same_zone)
FROM drift_trips
GROUP BY is_current_month
