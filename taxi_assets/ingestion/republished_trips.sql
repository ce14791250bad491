-- Counts the trips that a republished month added, removed and changed, from `previous_trips` to `replacing_trips`.
WITH
    contents AS (
        SELECT trip, content, sum(after) - sum(before) AS surplus
        FROM (
            SELECT trip, content, 1 AS after, 0 AS before FROM replacing_trips
            UNION ALL
            SELECT trip, content, 0, 1 FROM previous_trips
        )
        GROUP BY trip, content
    ),
    trips AS (
        SELECT
            trip,
            coalesce(sum(surplus) FILTER (surplus > 0), 0) AS new_rows,
            coalesce(-sum(surplus) FILTER (surplus < 0), 0) AS old_rows
        FROM contents
        WHERE surplus <> 0
        GROUP BY trip
    )
SELECT
    coalesce(sum(new_rows - least(new_rows, old_rows)), 0)::BIGINT AS added,
    coalesce(sum(old_rows - least(new_rows, old_rows)), 0)::BIGINT AS removed,
    coalesce(sum(least(new_rows, old_rows)), 0)::BIGINT AS changed
FROM trips
