-- Adds to each trip of `trips` its features known at the pickup. A pickup in an hour that the clocks skip is taken an
-- hour later. taxi_assets/features/trip_features.py has the same definitions for the service.
WITH distances AS (  -- by pair of zones: one join on an integer, in place of two and a square root for each trip
    SELECT
        starts.zone_id::INTEGER * 1000 + ends.zone_id AS pair,
        sqrt((starts.x_miles - ends.x_miles) ** 2 + (starts.y_miles - ends.y_miles) ** 2) AS zone_distance_miles
    FROM taxi_zones AS starts, taxi_zones AS ends
)
SELECT
    trips.*,
    ((isodow(pickup_at) - 1) * 24 + hour(pickup_at))::SMALLINT AS hour_of_week,
    (hour(pickup_at) * 60 + minute(pickup_at))::SMALLINT AS minute_of_day,
    (isodow(pickup_at) - 1)::SMALLINT AS day_of_week,
    dayofyear(pickup_at)::SMALLINT AS day_of_year,
    month(pickup_at)::SMALLINT AS month_of_year,
    pickup_at::DATE IN (SELECT unnest($holidays)) AS is_holiday,
    pickup_at::DATE + 1 IN (SELECT unnest($holidays)) AS is_holiday_eve,
    pickup_at::DATE - 1 IN (SELECT unnest($holidays)) AS is_after_holiday,
    zone_distance_miles,
    pickup_zone_id = dropoff_zone_id AS is_same_zone
FROM (SELECT * REPLACE (existing_time(pickup_at) AS pickup_at) FROM trips) AS trips
LEFT JOIN distances ON pair = pickup_zone_id::INTEGER * 1000 + dropoff_zone_id
