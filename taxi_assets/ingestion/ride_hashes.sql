-- Each raw row of a month as two numbers: of which ride it is, and of what it says in the columns `$shared`; those
-- the contract does not know are named by their JSON pointers, `$others`.
SELECT
    hash(vendor_id, pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id) AS ride,
    hash(
        *COLUMNS(name -> list_contains($shared::VARCHAR[], name)),
        json_extract_string(coalesce(other_columns, json_object()), $others::VARCHAR[])
    ) AS content
FROM raw_trips
WHERE service = $service AND month = $month
