-- Counts one month's raw, kept and rejected rows; `is_unreconciled` is true if a row is lost, duplicated or in both.
WITH raw AS (
    SELECT count(*) AS rows, coalesce(bit_xor(hash(source_row)), 0) AS content FROM month_trips
),
kept AS (
    SELECT count(*) AS rows, coalesce(bit_xor(hash(source_row)), 0) AS content FROM month_kept
),
rejected AS (
    SELECT count(*) AS rows, coalesce(bit_xor(hash(source_row)), 0) AS content FROM month_rejections
)
SELECT
    raw.rows, kept.rows, rejected.rows,
    raw.rows <> kept.rows + rejected.rows OR raw.content <> xor(kept.content, rejected.content) AS is_unreconciled
FROM raw, kept, rejected
