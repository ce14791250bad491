-- Adds to each trip of `trips` its features known at the pickup. A pickup in an hour that the clocks skip is taken an
-- hour later. taxi_assets/features/trip_features.py has the same definitions for the service.
-- Joins of days and of pairs of zones take less time than calendar functions and square roots for each trip.
WITH days AS (
    SELECT
        day,
        (isodow(day) - 1)::SMALLINT AS day_of_week,
        dayofyear(day)::SMALLINT AS day_of_year,
        month(day)::SMALLINT AS month_of_year,
        day IN (SELECT unnest($holidays)) AS is_holiday,
        day + 1 IN (SELECT unnest($holidays)) AS is_holiday_eve,
        day - 1 IN (SELECT unnest($holidays)) AS is_after_holiday
    FROM (SELECT unnest(generate_series(DATE '2000-01-01', DATE '2099-12-31', INTERVAL 1 DAY))::DATE AS day)
),
distances AS (
    SELECT
        starts.zone_id::INTEGER * 1000 + ends.zone_id AS pair,
        sqrt((starts.x_miles - ends.x_miles) ** 2 + (starts.y_miles - ends.y_miles) ** 2) AS zone_distance_miles
    FROM taxi_zones AS starts, taxi_zones AS ends
),
picked_up AS (SELECT * REPLACE (existing_time(pickup_at) AS pickup_at) FROM trips),
timed AS (SELECT *, (epoch_us(pickup_at) // 60_000_000 % 1440)::SMALLINT AS minute_of_day FROM picked_up)
SELECT
    timed.* EXCLUDE (minute_of_day),
    (day_of_week * 24 + minute_of_day // 60)::SMALLINT AS hour_of_week,
    minute_of_day,
    day_of_week, day_of_year, month_of_year,
    is_holiday, is_holiday_eve, is_after_holiday,
    zone_distance_miles,
    pickup_zone_id = dropoff_zone_id AS is_same_zone
FROM timed
LEFT JOIN days ON day = pickup_at::DATE
LEFT JOIN distances ON pair = pickup_zone_id::INTEGER * 1000 + dropoff_zone_id
