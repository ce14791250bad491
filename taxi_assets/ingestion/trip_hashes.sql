-- Two hashes of each row of `compared_trips`: of the trip it describes, and of its values in the columns that both files
-- have: `$shared`, and the unknown ones by JSON pointer, `$unknown_pointers`.
SELECT
    hash(vendor_id, pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id) AS trip,
    hash(
        *COLUMNS(name -> list_contains($shared::VARCHAR[], name)),
        json_extract_string(coalesce(other_columns, json_object()), $unknown_pointers::VARCHAR[])
    ) AS content
FROM compared_trips
