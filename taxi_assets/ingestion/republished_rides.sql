-- How many rides a republished month added, removed and changed, from `former_trips` to `latter_trips`.
WITH
    contents AS (
        SELECT ride, content, sum(after) - sum(before) AS surplus
        FROM (
            SELECT ride, content, 1 AS after, 0 AS before FROM latter_trips
            UNION ALL
            SELECT ride, content, 0, 1 FROM former_trips
        )
        GROUP BY ride, content
    ),
    rides AS (
        SELECT
            ride,
            coalesce(sum(surplus) FILTER (surplus > 0), 0) AS new_rows,
            coalesce(-sum(surplus) FILTER (surplus < 0), 0) AS old_rows
        FROM contents
        WHERE surplus <> 0
        GROUP BY ride
    )
SELECT
    coalesce(sum(new_rows - least(new_rows, old_rows)), 0)::BIGINT AS added,
    coalesce(sum(old_rows - least(new_rows, old_rows)), 0)::BIGINT AS removed,
    coalesce(sum(least(new_rows, old_rows)), 0)::BIGINT AS changed
FROM rides
