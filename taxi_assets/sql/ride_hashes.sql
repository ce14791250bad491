-- Each raw row of a month as two numbers: of which ride it is, and of all it says of it.
SELECT
    hash(vendor_id, pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id) AS ride,
    hash(*COLUMNS(* EXCLUDE (service, month, source_row))) AS content
FROM raw_trips
WHERE service = $service AND month = $month
