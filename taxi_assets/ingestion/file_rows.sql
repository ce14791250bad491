-- How many raw rows a month has, how many its file has, and how many of the rows are lines that cannot be read.
WITH file AS (
    SELECT coalesce(max(rows), 0) AS rows
    FROM source_files
    WHERE service = $service AND month = $month AND state = 'ingested'
)
SELECT
    count(*), (SELECT rows FROM file), count(*) FILTER (json_exists(unreadable, '$.line'))
FROM raw_trips
WHERE service = $service AND month = $month
