-- Counts a month's raw rows, the rows of its file, and the raw rows that are unreadable lines.
WITH file AS (
    SELECT coalesce(max(rows), 0) AS rows
    FROM source_files
    WHERE service = $service AND month = $month AND state = 'ingested'
)
SELECT
    count(*), (SELECT rows FROM file), count(*) FILTER (json_exists(unreadable, '$.line'))
FROM raw_trips
WHERE service = $service AND month = $month
