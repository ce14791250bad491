-- Column changes of one month's file since the previous available month. Known columns are matched by meaning,
-- unknown ones by name. Types of text files are not compared.
WITH earlier AS (
    SELECT max(month) AS month FROM file_columns WHERE service = $service AND month < $month
),
columns AS (
    SELECT
        *, coalesce(canonical_name, column_name) AS meaning, bool_and(type = 'string') OVER (PARTITION BY month) AS is_text
    FROM file_columns
    WHERE service = $service AND (month = $month OR month = (SELECT month FROM earlier))
),
compared AS (
    SELECT
        coalesce(latter.column_name, former.column_name) AS column_name,
        CASE
            WHEN former.meaning IS NULL THEN 'new'
            WHEN latter.meaning IS NULL THEN 'gone'
            WHEN former.column_name <> latter.column_name THEN 'renamed'
            WHEN former.type <> latter.type AND NOT former.is_text AND NOT latter.is_text THEN 'retyped'
        END AS change,
        former.column_name AS name_before, former.type AS type_before, latter.type AS type_after
    FROM (SELECT * FROM columns WHERE month < $month) AS former
    FULL JOIN (SELECT * FROM columns WHERE month = $month) AS latter USING (meaning)
)
SELECT $service AS service, $month AS month, *, (SELECT month FROM earlier) AS compared_with
FROM compared
WHERE change IS NOT NULL AND (SELECT month FROM earlier) IS NOT NULL
