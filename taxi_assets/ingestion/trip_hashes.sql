-- Each raw row of a month as two numbers: of which trip it is, and of what it says in the columns `$shared`; those
-- the contract does not know are named by their JSON pointers, `$unknown_pointers`.
SELECT
    hash(vendor_id, pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id) AS trip,
    hash(
        *COLUMNS(name -> list_contains($shared::VARCHAR[], name)),
        json_extract_string(coalesce(other_columns, json_object()), $unknown_pointers::VARCHAR[])
    ) AS content
FROM raw_trips
WHERE service = $service AND month = $month
